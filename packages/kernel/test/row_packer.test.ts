import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dumpSockets } from '../src/dump.ts';
import { RowPacker } from '../src/row_packer.ts';
import { encodeMessage } from '../src/wire/netlink.ts';
import { DiagTable } from '../src/wire/socket_table.ts';
import { scriptedTransport } from './support/scripted_transport.ts';

const PROGRAM = new WebAssembly.Module(
  readFileSync(new URL('../../lastack/dist/pack_rows.wasm', import.meta.url)) as Uint8Array,
);
const DONE = encodeMessage(3, 2, 1, new Uint8Array(4));

async function dumped(datagrams: readonly Uint8Array[], program: WebAssembly.Module | undefined) {
  const table = new DiagTable();
  const bulk = RowPacker.into(table, program);
  const incomplete = await dumpSockets(
    scriptedTransport([...datagrams, DONE]),
    { states: 0x1fff, bulk },
    (words, view, at, end) => table.append(words, view, at, end),
  ).catch((reason: Error) => reason.message);
  const rows = Array.from({ length: table.count }, (_, row) => [
    Buffer.from(table.bytes.subarray(table.offset(row), table.offset(row) + 72)).toString('hex'),
    table.cgroupId(row),
    table.mark(row),
    table.v6only(row),
    Buffer.from(table.bytes.subarray(table.offset(row) + 84, table.offset(row) + 88)).toString('hex'),
  ]);
  return { rows, incomplete };
}

const attribute = fc.record({
  type: fc.constantFrom(2, 8, 11, 11, 15, 15, 21, 21, 22),
  value: fc.uint8Array({ minLength: 0, maxLength: 16 }),
  length: fc.option(fc.integer({ min: 0, max: 60 }), { freq: 8 }),
});
const message = fc.record({
  type: fc.constantFrom(18, 20, 20, 20, 99),
  flags: fc.constantFrom(2, 2, 2, 2, 0x12),
  sequence: fc.constantFrom(1, 1, 1, 7),
  body: fc.uint8Array({ minLength: 72, maxLength: 72 }),
  attributes: fc.array(attribute, { maxLength: 4 }),
  length: fc.option(fc.integer({ min: 0, max: 300 }), { freq: 20 }),
});
type Message = typeof message extends fc.Arbitrary<infer T> ? T : never;

function encoded({ type, flags, sequence, body, attributes, length }: Message): Uint8Array {
  const parts = attributes.map(({ type: kind, value, length: said }) => {
    const bytes = new Uint8Array((4 + value.length + 3) & ~3);
    new DataView(bytes.buffer).setUint16(0, said ?? 4 + value.length, true);
    new DataView(bytes.buffer).setUint16(2, kind, true);
    bytes.set(value, 4);
    return bytes;
  });
  const bytes = encodeMessage(type, flags, sequence, Uint8Array.from([body, ...parts].flatMap((part) => [...part])));
  if (length !== null) new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

describe('rows packed by the compiled program', () => {
  it('are those of the table, whatever the messages are', async () => {
    const datagrams = fc.array(fc.array(message, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(datagrams, async (all) => {
        const bytes = all.map((each) => Uint8Array.from(each.flatMap((one) => [...encoded(one)])));
        expect(await dumped(bytes, PROGRAM)).toEqual(await dumped(bytes, undefined));
      }),
      { numRuns: 400 },
    );
  });

  it('come whole when datagrams are full and the table grows', async () => {
    const one = (index: number) => {
      const body = new Uint8Array(72);
      new DataView(body.buffer).setUint32(68, index, true);
      return encodeMessage(20, 2, 1, body);
    };
    const full = (part: number) =>
      Uint8Array.from(Array.from({ length: 372 }, (_, index) => [...one(part * 372 + index)]).flat());
    const { rows, incomplete } = await dumped([0, 1, 2, 3].map(full), PROGRAM);
    expect([rows.length, incomplete]).toEqual([1488, undefined]);
    expect(new Set(rows.map(([hex]) => hex)).size).toBe(1488);
  });
});
