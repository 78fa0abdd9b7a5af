import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseFilter } from '@lastack/core';
import { encodeMessage, type NetlinkTransport } from '@lastack/kernel';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { SocketListText } from '../src/cli/render/socket_list_text.ts';
import { listSockets } from '../src/engine/list_sockets.ts';
import { capturedEffects } from './support/effects.ts';

const EMPTY = mkdtempSync(path.join(tmpdir(), 'lastack-empty-'));
afterAll(() => rmSync(EMPTY, { recursive: true }));

const PROGRAM = new WebAssembly.Module(readFileSync(new URL('../dist/reply_lines.wasm', import.meta.url)));

/** Gives the datagrams to the first who dumps, and an empty dump to the second. */
function transportOf(datagrams: readonly Uint8Array[]): NetlinkTransport {
  const done = encodeMessage(3, 2, 1, new Uint8Array(4));
  const left = [...datagrams, done];
  return {
    send: () => undefined,
    async receive([buffer]) {
      const next = left.shift() ?? done;
      buffer.set(next);
      return [next.length];
    },
    close: () => undefined,
  };
}

async function listed(
  from: readonly Uint8Array[] | NetlinkTransport,
  owners: boolean,
  program?: WebAssembly.Module,
  sinceMs: () => number = () => 0,
) {
  // No process is searched for owners: none could hold what is not there.
  const effects = capturedEffects([], { procRoot: EMPTY });
  const open = { ref: { inode: 1, label: 'x', path: '' }, settings: {} };
  const columns = { namespaces: false, owners: false, conntrack: false, timerHz: () => 250, sinceMs };
  const text = new SocketListText(effects.stdout, { ...columns, owners }, program);
  const sink = { read: text.read, add: text.add, bulk: text.bulk, learn: text.learn };
  const count = await listSockets(
    effects,
    { ...open, diag: 'send' in from ? from : transportOf(from), diagAside: transportOf([]) },
    { filter: parseFilter(''), withOwners: owners, streaming: true, timerHz: () => 250, stuck: undefined },
    [],
    sink,
  );
  text.end();
  return { count, bulk: text.bulk?.count ?? 0, lines: effects.written.out.split('\n').sort() };
}

/** struct inet_diag_msg */
function message({ family, state, timer, ports, addresses, expiresMs, queues, inode }: SocketBytes): Uint8Array {
  const body = new Uint8Array(80);
  const view = new DataView(body.buffer);
  body.set([family, state, timer, 0]);
  view.setUint16(4, ports[0]);
  view.setUint16(6, ports[1]);
  body.set(addresses.subarray(0, family === 2 ? 4 : 16), 8);
  body.set(addresses.subarray(16, family === 2 ? 20 : 32), 24);
  view.setUint32(52, expiresMs, true);
  view.setUint32(56, queues[0], true);
  view.setUint32(60, queues[1], true);
  view.setUint32(68, inode, true);
  body.set([8, 0, 15, 0], 72);
  return encodeMessage(20, 2, 1, body);
}

const sockets = fc.record({
  family: fc.constantFrom(2, 2, 2, 10),
  state: fc.constantFrom(1, 2, 4, 5, 6, 6, 6, 7, 8, 9, 10, 11),
  timer: fc.constantFrom(0, 0, 0, 3),
  ports: fc.tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 })),
  addresses: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  expiresMs: fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.constantFrom(0, 99_999, 100_000, 4_294_967_295)),
  queues: fc.tuple(
    fc.constantFrom(0, 0, 1, 9, 10, 99, 100, 999, 1000, 9_999, 10_000, 65_535, 65_536, 4_294_967_295),
    fc.constantFrom(0, 0, 1, 12, 65_536),
  ),
  inode: fc.constantFrom(0, 1, 4_000_000_000),
});
interface SocketBytes {
  family: number;
  state: number;
  timer: number;
  ports: [number, number];
  addresses: Uint8Array;
  expiresMs: number;
  queues: [number, number];
  inode: number;
}

const join = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

describe('lines written by the compiled program', () => {
  it.each([false, true])('are those that are written without it (owners: %s)', async (owners) => {
    const datagrams = fc.array(fc.array(sockets, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(datagrams, async (all) => {
        const bytes = all.map((each) => join(each.map(message)));
        const [plain, compiled] = [await listed(bytes, owners), await listed(bytes, owners, PROGRAM)];
        expect(compiled.lines).toEqual(plain.lines);
        expect(compiled.count).toBe(plain.count);
      }),
      { numRuns: 200 },
    );
  });

  it('are most of a large dump, and come whole however many there are', async () => {
    const one = (index: number) =>
      message({
        family: 2,
        state: 6,
        timer: 3,
        ports: [index, 80],
        addresses: new Uint8Array(32).fill(7),
        expiresMs: 1000,
        queues: [0, 0],
        inode: 0,
      });
    const bytes = Array.from({ length: 40 }, (_, part) =>
      join(Array.from({ length: 330 }, (__, index) => one(part * 330 + index))),
    );
    const { count, bulk, lines } = await listed(bytes, false, PROGRAM);
    expect([count, bulk]).toEqual([13_200, 13_199]);
    const ports = lines.map((line) => Number(/ 7\.7\.7\.7:(\d+) +7\.7\.7\.7:80 +\d[-0-9]*s$/.exec(line)?.[1]));
    expect(new Set(ports.filter((port) => port > 0)).size).toBe(13_199);
  });

  it.each([true, false])(
    'allow for the time that reading took, also where many share a cell (compiled: %s)',
    async (compiled) => {
      const at = (port: number) =>
        message({
          family: 2,
          state: 6,
          timer: 3,
          ports: [port, 80],
          addresses: new Uint8Array(32).fill(7),
          expiresMs: 30_000,
          queues: [0, 0],
          inode: 0,
        });
      // Due 30 s after each is read: of the last ones, 35 s after the moment from which the forecasts count.
      let nowMs = 0;
      const clock = () => nowMs;
      const datagrams = [1, 2, 3].map((part) => join([at(part * 10), at(part * 10 + 1)]));
      const slow = { ...transportOf(datagrams) };
      const { receive } = slow;
      slow.receive = async (buffers) => {
        nowMs += 2_500;
        return receive.call(slow, buffers);
      };
      const { lines } = await listed(slow, false, compiled ? PROGRAM : undefined, clock);
      const latest = (port: number) => Number(new RegExp(`:${port} .*-(\\d+)s$`, 'm').exec(lines.join('\n'))?.[1]);
      expect(latest(11)).toBeGreaterThanOrEqual(33);
      expect(latest(21)).toBeGreaterThanOrEqual(35);
      expect(latest(31)).toBeGreaterThanOrEqual(38);
      expect(latest(11)).toBeLessThan(latest(31));
    },
  );

  it('stop at whatever is no socket of this dump', async () => {
    const good = message({
      family: 2,
      state: 10,
      timer: 0,
      ports: [1, 0],
      addresses: new Uint8Array(32),
      expiresMs: 0,
      queues: [0, 128],
      inode: 5,
    });
    const foreign = good.slice();
    new DataView(foreign.buffer).setUint32(8, 9, true);
    const cut = good.slice();
    new DataView(cut.buffer).setUint32(0, 4_294_967_288, true);
    const { count } = await listed([join([good, good, foreign, good, cut])], false, PROGRAM);
    expect(count).toBe(3);
  });
});
