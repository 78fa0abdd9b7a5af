import type { ClearTarget } from '@lastack/core';
import {
  connectionAttemptFilter,
  lookupSockets,
  openPacketSender,
  openPacketTap,
  type PacketSender,
  type PacketTap,
  portPairFilter,
  readSettings,
  type SocketNow,
} from '@lastack/kernel';
import type { ApplyContext, Attempt } from '../remedy.ts';

/** What resets need in one network namespace. */
export interface Bench {
  sender: PacketSender;
  /** One connection at a time: its filter is set for each. */
  tap: PacketTap;
  /** Connection attempts of the whole namespace; it listens from the start, so that none is missed. */
  attempts: PacketTap | undefined;
  /** tcp_invalid_ratelimit: a socket answers once in this time. */
  rateLimitMs: number;
  /** tcp_rfc1337: TIME_WAIT ignores resets. */
  protectsTimeWait: boolean;
  look(target: ClearTarget): Promise<SocketNow>;
  close(): void;
}

const DEFAULT_RATE_LIMIT_MS = 500;

/** @throws KernelError EPERM without CAP_NET_RAW over the namespace, or when it cannot be entered */
export function openBench(context: ApplyContext, namespaceInode: number, withAttempts: boolean): Bench {
  const { effects } = context;
  const libc = effects.libc();
  return context.inside(namespaceInode, (): Bench => {
    const opened: { close(): void }[] = [];
    const keep = <T extends { close(): void }>(one: T): T => {
      opened.push(one);
      return one;
    };
    const close = () => {
      for (const one of opened) one.close();
    };
    try {
      const settings = readSettings({ procRoot: effects.procRoot });
      return {
        sender: keep(openPacketSender(libc)),
        tap: keep(openPacketTap(libc, portPairFilter(0, 0))),
        attempts: withAttempts ? keep(openPacketTap(libc, connectionAttemptFilter())) : undefined,
        rateLimitMs: settings.tcp_invalid_ratelimit ?? DEFAULT_RATE_LIMIT_MS,
        protectsTimeWait: settings.tcp_rfc1337 === 1,
        look: async (target) => (await lookupSockets(context.diag(namespaceInode), [target]))[0],
        close,
      };
    } catch (error) {
      close();
      throw error;
    }
  });
}

/** What became of a socket that is not there as it was. */
export function vanished({ kind }: SocketNow): Attempt | undefined {
  if (kind === 'there') return undefined;
  if (kind === 'gone') return { outcome: 'already-gone' };
  return { outcome: 'identity-changed', because: 'another connection has these addresses now: left alone' };
}
