import type { AddressPair } from '@lastack/lab';
import { expect } from 'vitest';
import type { SocketJson } from '../../src/report/socket_json.ts';
import type { SsLine } from './ss.ts';

interface Ends {
  local: AddressPair['local'];
  remote: AddressPair['remote'];
}

/** Both ends as `ss` writes them. A listener, which has no remote end, is known by its own alone. */
export function pairKey({ local, remote }: Ends): string {
  const here = `${written(local.address)}:${local.port}`;
  return remote.port === 0 ? here : `${here} ${written(remote.address)}:${remote.port}`;
}

function written(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** The line of `ss` about a socket. */
export function lineOf(lines: ReadonlyMap<string, SsLine>, socket: Ends): SsLine {
  const key = pairKey(socket);
  const found =
    socket.remote.port === 0
      ? [...lines.values()].find(({ state, local }) => state === 'LISTEN' && local === key)
      : lines.get(key);
  if (!found) throw new Error(`ss does not list ${key}`);
  return found;
}

/** lastack looked between two calls of `ss`: what it saw must lie between what they saw. */
export function expectSame(seen: SocketJson, before: SsLine, after: SsLine): void {
  expect(seen.state).toBe(before.state);
  expect(seen.cookie).toBe(before.cookie);
  expect(seen.inode).toBe(before.inode);
  expect(seen.owners.map(({ command, pid, fd }) => ({ command, pid, fd }))).toEqual(
    [...before.holders].sort((one, other) => one.pid - other.pid || one.fd - other.fd),
  );
  expect([before.receiveQueue, after.receiveQueue]).toContain(seen.recvQueueBytes);
  expect([before.sendQueue, after.sendQueue]).toContain(seen.sendQueueBytes);
  expectSameTimer(seen, before, after);
}

function expectSameTimer({ timer }: SocketJson, before: SsLine, after: SsLine): void {
  expect([before.timer?.kind, after.timer?.kind]).toContain(timer?.kind);
  if (!timer || !before.timer || !after.timer || before.timer.kind !== after.timer.kind) return;
  if (before.timer.retries <= after.timer.retries) {
    expect(timer.retries).toBeGreaterThanOrEqual(before.timer.retries);
    expect(timer.retries).toBeLessThanOrEqual(after.timer.retries);
  }
  const wentOff = before.backoff !== after.backoff || before.timer.retries !== after.timer.retries;
  const latest = before.timer.expiresMs + roundingOf(before.timer.expiresMs);
  if (wentOff || after.timer.expiresMs > latest) return;
  expect(timer.expiresMs).toBeGreaterThanOrEqual(after.timer.expiresMs);
  expect(timer.expiresMs).toBeLessThanOrEqual(latest);
}

/** `ss` leaves away what is small beside the rest. */
function roundingOf(ms: number): number {
  if (ms >= 600_000) return 60_000;
  return ms >= 10_000 ? 1_000 : 1;
}
