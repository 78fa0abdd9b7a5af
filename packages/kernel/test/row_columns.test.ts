import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mirrors } from '../src/mirrors.ts';
import { DiagTable } from '../src/wire/socket_table.ts';

/** struct inet_diag_msg, written field by field as include/uapi/linux/inet_diag.h has it. */
interface Socket {
  state: number;
  timer: number;
  retries: number;
  local: Uint8Array;
  remote: Uint8Array;
  ports: [number, number];
  expiresMs: number;
  queues: [number, number];
  inode: number;
}

const TIME_WAIT = 6;
const V4 = [Uint8Array.of(10, 0, 0, 1), Uint8Array.of(10, 0, 0, 2)];
const MAPPED = V4.map((bytes) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes));
const V6 = [1, 2].map((last) => Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last));

const port = fc.constantFrom(80, 443, 0x5000, 0x0050);
const side = (addresses: readonly Uint8Array[]) => fc.constantFrom(...addresses);
const ends = fc.oneof(
  fc.record({ local: side(V4), remote: side(V4) }),
  fc.record({ local: side(MAPPED), remote: side(MAPPED) }),
  fc.record({ local: side(V6), remote: side(V6) }),
);
const socket: fc.Arbitrary<Socket> = fc
  .record({
    ends,
    state: fc.constantFrom(1, 5, TIME_WAIT, TIME_WAIT, 8),
    timer: fc.constantFrom(0, 1),
    retries: fc.constantFrom(0, 3),
    ports: fc.tuple(port, port),
    expiresMs: fc.constantFrom(0, 59_000, 0x7fff_ffff),
    queues: fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(0, 0xffff_ffff)),
    inode: fc.constantFrom(0, 7, 0xffff_fff0),
  })
  .map(({ ends: addresses, ...rest }) => ({ ...addresses, ...rest }));

function message(one: Socket): Uint32Array {
  const words = new Uint32Array(18);
  const bytes = new Uint8Array(words.buffer);
  const view = new DataView(words.buffer);
  bytes.set([one.local.length === 4 ? 2 : 10, one.state, one.timer, one.retries]);
  view.setUint16(4, one.ports[0]);
  view.setUint16(6, one.ports[1]);
  bytes.set(one.local, 8);
  bytes.set(one.remote, 24);
  words.set([one.expiresMs, ...one.queues, 0, one.inode], 13);
  return words;
}

function tableOf(sockets: readonly Socket[]): DiagTable {
  const table = new DiagTable();
  for (const one of sockets) {
    const words = message(one);
    table.append(words, new DataView(words.buffer), 0, 72);
  }
  return table;
}

function plain(address: Uint8Array): string {
  return (address.length === 16 && address[10] === 0xff ? address.subarray(12) : address).join('.');
}

/** Rows by a text, in the order met. */
function byText(rows: readonly number[], textOf: (row: number) => string): number[][] {
  const lists = new Map<string, number[]>();
  for (const row of rows) lists.set(textOf(row), [...(lists.get(textOf(row)) ?? []), row]);
  return [...lists.values()];
}

function byNumber(rows: readonly number[], { numbers, firsts }: ReturnType<DiagTable['alike']>): number[][] {
  const lists = firsts.map((): number[] => []);
  for (const [index, row] of rows.entries()) lists[numbers[index]].push(row);
  expect(lists.map(([first]) => first)).toEqual([...firsts]);
  return lists;
}

describe('many rows at once', () => {
  it('are told apart as by comparing each field', () => {
    const some = fc.array(socket, { maxLength: 60 });
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 4 }), fc.boolean(), (sockets, least, onlySome) => {
        const table = tableOf(sockets);
        const rows = sockets.map((_, row) => row).filter((row) => row % 5 !== 4);
        const alike = (row: number) => {
          const { local, state, timer, retries, queues, inode } = sockets[row];
          return [local.length, state, timer, retries, ...queues, inode === 0].join();
        };
        expect(byNumber(rows, table.alike(rows))).toEqual(byText(rows, alike));
        const remote = (row: number) => `${plain(sockets[row].remote)} ${sockets[row].ports[1]}`;
        expect(byNumber(rows, table.byRemote(rows))).toEqual(byText(rows, remote));
        const ports = new Uint8Array(65_536).fill(1);
        if (onlySome) ports[443] = 0;
        const destination = (row: number) =>
          `${sockets[row].local.join()} ${sockets[row].remote.join()} ${sockets[row].ports[1]}`;
        const meant = rows.filter((row) => ports[sockets[row].ports[0]] === 1);
        const expected = byText(meant, destination).filter(({ length }) => length >= least);
        const found = table.byDestination(rows, least, onlySome ? ports : undefined);
        expect(found.map((list) => Array.from(list))).toEqual(expected);
        const { expiresMs, retries } = table.timers(rows);
        expect(Array.from(expiresMs)).toEqual(rows.map((row) => sockets[row].expiresMs));
        expect(Array.from(retries)).toEqual(rows.map((row) => sockets[row].retries));
      }),
      { numRuns: 300 },
    );
  });

  it('find their other ends as by comparing all with all', () => {
    const fits = (one: number, other: number) => one !== TIME_WAIT && other !== TIME_WAIT && one !== other;
    const masks = Uint16Array.from({ length: 16 }, (_, one) =>
      Array.from({ length: 16 }, (_unused, other) => (fits(one, other) ? 1 << other : 0)).reduce(
        (all, bit) => all | bit,
      ),
    );
    const some = fc.array(socket, { maxLength: 25 });
    fc.assert(
      fc.property(some, some, (here, there) => {
        const tables = [here, there];
        const queries = tables.map((sockets) => ({
          table: tableOf(sockets),
          wanted: sockets.map((_, row) => row).filter((row) => row % 4 !== 3),
        }));
        const mirrors = new Mirrors(queries, masks);
        queries.forEach(({ wanted }, at) => {
          for (const row of wanted) {
            const one = tables[at][row];
            const others = tables.flatMap((sockets, table) =>
              sockets.flatMap((other, otherRow) =>
                fits(one.state, other.state) &&
                plain(one.local) === plain(other.remote) &&
                plain(one.remote) === plain(other.local) &&
                one.ports[0] === other.ports[1] &&
                one.ports[1] === other.ports[0] &&
                (table !== at || row !== otherRow)
                  ? [[table, otherRow]]
                  : [],
              ),
            );
            const found = mirrors.rowOf(at, row);
            expect(found < 0 ? [] : [[mirrors.tableOf(at, row), found]]).toEqual(others.length === 1 ? others : []);
          }
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe('sockets in TIME_WAIT', () => {
  it('are kept behind the others, without a gap', () => {
    const ROW_WORDS = 22;
    const batch = fc.record({ front: fc.nat(6), back: fc.nat(6) });
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 12 }), fc.nat(30), (batches, expected) => {
        const table = new DiagTable();
        table.keepApart(expected);
        let inode = 0;
        const packed = (count: number, state: number) => {
          const rows = new Uint32Array(8 * ROW_WORDS);
          for (let row = 0; row < count; row++) {
            rows[row * ROW_WORDS] = state << 8;
            rows[row * ROW_WORDS + 17] = ++inode;
          }
          return rows;
        };
        const fronts: number[] = [];
        for (const { front, back } of batches) {
          table.appendOthers(packed(front, 1), front);
          for (let row = 0; row < front; row++) fronts.push(inode - row);
          table.appendPacked(packed(back, TIME_WAIT), back);
        }
        table.settle();
        for (const state of [1, TIME_WAIT]) {
          const inState = Array.from({ length: table.count }, (_, row) => row).filter(
            (row) => table.state(row) === state,
          );
          expect(Array.from(table.rowsIn(state))).toEqual(inState);
        }
        const inodes = Array.from({ length: table.count }, (_, row) => table.inode(row));
        expect([...inodes].sort((one, other) => one - other)).toEqual(Array.from({ length: inode }, (_, at) => at + 1));
        if (fronts.length <= expected) expect(new Set(inodes.slice(0, fronts.length))).toEqual(new Set(fronts));
      }),
      { numRuns: 300 },
    );
  });
});
