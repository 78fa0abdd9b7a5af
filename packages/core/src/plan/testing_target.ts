import { TcpState } from '../tcp/states.ts';
import type { ClearTarget } from './target.ts';

/** For tests: a connection in CLOSE_WAIT that a program holds, changed by `overrides`. */
export function target(overrides: Partial<ClearTarget> = {}): ClearTarget {
  return {
    namespaceInode: 1,
    namespaceLabel: 'host',
    family: 4,
    state: TcpState.CLOSE_WAIT,
    kind: 'full',
    local: { address: '10.0.0.1', port: 22 },
    remote: { address: '10.0.0.9', port: 50_000 },
    cookie: 7n,
    interfaceIndex: 0,
    inode: 5,
    uid: 0,
    receiveQueueBytes: 0,
    sendQueueBytes: 0,
    owners: [{ pid: 812, command: 'node', fd: 7 }],
    ...overrides,
  };
}
