import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DestroyLanes } from '../src/destroy_lanes.ts';
import { dumpSockets } from '../src/dump.ts';
import { RequestPacker } from '../src/request_packer.ts';
import type { NetlinkTransport } from '../src/transport/transport.ts';
import { encodeMessage } from '../src/wire/netlink.ts';
import { DiagTable } from '../src/wire/socket_table.ts';
import { scriptedTransport } from './support/scripted_transport.ts';

const PROGRAM = new WebAssembly.Module(
  readFileSync(new URL('../../lastack/dist/pack_rows.wasm', import.meta.url)) as Uint8Array,
);
const DONE = encodeMessage(3, 2, 1, new Uint8Array(4));
const SEQUENCE = 8;
const REQUEST_BYTES = 72;

/** The requests for what a dump lists, by the compiled program or, socket by socket, without. */
async function requestsFor(datagrams: readonly Uint8Array[], program: WebAssembly.Module | undefined) {
  const sent: Uint8Array[] = [];
  const transport: NetlinkTransport = {
    send: (datagram) => void sent.push(datagram.slice()),
    receive: () => Promise.reject(new Error('nothing is received')),
    close() {},
  };
  const lanes = new DestroyLanes(transport);
  const bulk = RequestPacker.into(lanes, program);
  const one = new DiagTable();
  await dumpSockets(
    scriptedTransport([...datagrams, DONE]),
    { states: 1 << 6, bulk },
    (words, view, at, end) => {
      one.clear();
      one.append(words, view, at, end);
      lanes.addRows(one);
    },
    () => lanes.advance(),
  );
  await lanes.finish();
  const bytes = Buffer.concat(sent);
  // The sequence numbers are of no use to anybody: nothing is answered.
  for (let at = 0; at < bytes.length; at += REQUEST_BYTES) bytes.writeUInt32LE(0, at + SEQUENCE);
  const cookies = Array.from({ length: lanes.asked.count }, (_, index) => [
    lanes.asked.low(index),
    lanes.asked.high(index),
  ]);
  return { requests: bytes.toString('hex'), cookies, taken: bulk?.count };
}

const COOKIE = 44;
const socket = fc.record({
  family: fc.constantFrom(2, 2, 10),
  body: fc.uint8Array({ minLength: 72, maxLength: 72 }),
  cookie: fc.constantFrom(undefined, undefined, undefined, 0, 0xff),
  attributes: fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 3 }),
});
type Socket = typeof socket extends fc.Arbitrary<infer T> ? T : never;

function encoded({ family, body, cookie, attributes }: Socket): Uint8Array {
  const bytes = body.slice();
  bytes[0] = family;
  if (cookie !== undefined) bytes.fill(cookie, COOKIE, COOKIE + 8);
  const rest = attributes.map((length) => {
    const attribute = new Uint8Array((4 + length + 3) & ~3);
    new DataView(attribute.buffer).setUint16(0, 4 + length, true);
    attribute[2] = 200;
    return attribute;
  });
  return encodeMessage(20, 2, 1, Uint8Array.from([bytes, ...rest].flatMap((part) => [...part])));
}

describe('requests made by the compiled program', () => {
  it('are those that the table would give, whatever the sockets are', async () => {
    const datagrams = fc.array(fc.array(socket, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(datagrams, async (all) => {
        const bytes = all.map((each) => Uint8Array.from(each.flatMap((one) => [...encoded(one)])));
        const { taken, ...compiled } = await requestsFor(bytes, PROGRAM);
        const { taken: none, ...plain } = await requestsFor(bytes, undefined);
        expect(compiled).toEqual(plain);
        expect([taken, none]).toEqual([all.flat().length, undefined]);
      }),
      { numRuns: 300 },
    );
  });

  it('leave room for a full datagram', async () => {
    const body = (index: number) => {
      const bytes = new Uint8Array(72);
      bytes[0] = 2;
      new DataView(bytes.buffer).setUint32(COOKIE, index + 1, true);
      return bytes;
    };
    const full = Uint8Array.from(
      Array.from({ length: 372 }, (_, index) => [...encodeMessage(20, 2, 1, body(index))]).flat(),
    );
    const { cookies } = await requestsFor([full, full], PROGRAM);
    expect(cookies.map(([low]) => low)).toEqual(
      [0, 1].flatMap(() => Array.from({ length: 372 }, (_, index) => index + 1)),
    );
  });
});
