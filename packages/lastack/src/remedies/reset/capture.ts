import { decodeSegment, type PacketTap, type Segment, TcpFlag } from '@lastack/kernel';
import type { WireEnd } from './packets.ts';

/** Polling is finer than any round trip would ask for, and still idle. */
const POLL_MS = 2;
const LONG_POLL_MS = 10;
/** After this long an answer is no longer a matter of microseconds. */
const IMPATIENT_MS = 50;

export interface Clock {
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
}

/** Every segment that waits now. */
export function drain(tap: PacketTap): Segment[] {
  const segments: Segment[] = [];
  for (let packet = tap.receive(); packet; packet = tap.receive()) {
    const segment = decodeSegment(packet.bytes, packet.wireLength);
    if (segment) segments.push(segment);
  }
  return segments;
}

/** Hands over what is captured until `take` returns true (gives true), the time is over or the signal is aborted. */
export async function watchUntil(
  tap: PacketTap,
  clock: Clock,
  signal: AbortSignal,
  untilMs: number,
  take: (segments: readonly Segment[]) => boolean,
): Promise<boolean> {
  const beganMs = clock.monotonicMs();
  for (;;) {
    if (take(drain(tap))) return true;
    const nowMs = clock.monotonicMs();
    if (signal.aborted || nowMs >= untilMs) return false;
    await clock.sleep(nowMs - beganMs < IMPATIENT_MS ? POLL_MS : LONG_POLL_MS);
  }
}

export function isBetween({ source, destination, tcp }: Segment, from: WireEnd, to: WireEnd): boolean {
  return (
    tcp.sourcePort === from.port &&
    tcp.destinationPort === to.port &&
    sameBytes(source, from.address) &&
    sameBytes(destination, to.address)
  );
}

/** Whether it tells what its sender expects next. */
export function acknowledges({ tcp }: Segment): boolean {
  return (tcp.flags & (TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.ACK;
}

export function isConnectionAttempt({ tcp }: Segment): boolean {
  return (tcp.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
