import { describe, expect, it } from 'vitest';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf } from '../../testing.ts';
import type { Holder } from './holder.ts';
import { dropSocket, restartHolder, ssState } from './remedies.ts';

const holder = (more: Partial<Holder> = {}): Holder => ({
  key: '',
  label: '',
  owners: [{ pid: 812, command: 'node', fd: 3 }],
  sharedSockets: 0,
  ...more,
});

describe('commands', () => {
  // The spellings of ss(8), section STATE-FILTER.
  it.each([
    [TcpState.ESTABLISHED, 'established'],
    [TcpState.SYN_SENT, 'syn-sent'],
    [TcpState.SYN_RECV, 'syn-recv'],
    [TcpState.FIN_WAIT1, 'fin-wait-1'],
    [TcpState.FIN_WAIT2, 'fin-wait-2'],
    [TcpState.TIME_WAIT, 'time-wait'],
    [TcpState.CLOSE_WAIT, 'close-wait'],
    [TcpState.LAST_ACK, 'last-ack'],
    [TcpState.CLOSING, 'closing'],
  ])('state %i is %s', (state, name) => {
    expect(ssState(state)).toBe(name);
  });

  it('run inside the namespace of the socket', () => {
    const namespace = namespaceOf([{ state: TcpState.CLOSE_WAIT, inode: 1, remotePort: 7 }], { label: 'blue' });
    expect(dropSocket(namespace, [0], holder()).command).toBe(
      'nsenter --net=/proc/812/ns/net ss -tnK state close-wait src 10.0.0.1:80 dst 10.0.0.2:7',
    );
    const unheld = dropSocket(namespace, [0], holder({ owners: [] }));
    expect(unheld.what).toContain('(inside network namespace blue)');
  });

  it('quote what the host named', () => {
    expect(restartHolder(holder({ unit: "a b';rm -rf.service" }))?.command).toBe(
      "systemctl restart 'a b'\\'';rm -rf.service'",
    );
    expect(restartHolder(holder({ unit: 'session-3.scope' }))?.command).toBeUndefined();
    expect(restartHolder(holder({ owners: [] }))).toBeUndefined();
  });

  it('warn of old kernels for orphans only', () => {
    const cost = (inode: number) => {
      const socket = { state: TcpState.FIN_WAIT1, inode, timer: TimerCode.RETRANSMIT };
      return dropSocket(namespaceOf([socket]), [0], holder({ owners: [] })).cost;
    };
    expect(cost(0)).toContain('immortal');
    expect(cost(5)).not.toContain('immortal');
  });
});
