import { assert, constantFrom, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeLink,
  decodeNeighbour,
  decodeRoute,
  linkDumpRequest,
  neighbourDumpRequest,
  RtnetlinkError,
  routeRequest,
} from './rtnetlink.ts';

// Taken from Linux 6.18 on x86-64; the comments name what stands at each place.
const ROUTE_V4 = Buffer.from(
  '7000000018000000070000003349000002200000fe000001' + // header; family 2, /32, table 254, type 1 (unicast)
    '00020000' + // flags
    '08000f00fe000000' + // table
    '08000100cb007105' + // destination 203.0.113.5
    '0800040003000000' + // output interface 3
    '08000700c0000201' + // preferred source 192.0.2.1
    '08000500c0000209' + // gateway 192.0.2.9
    '08001900000000002' +
    '4000c000200000000000000000000000000000000000000000000000000000000000000', // uid, cache information
  'hex',
);
const ROUTE_V6 = Buffer.from(
  'b00000001800000007000000334900000a808000fe03000100000000' +
    '08000f00fe000000' +
    '1400010020010db8000100000000000000000005' +
    '1400020000000000000000000000000000000000' +
    '1400070020010db8000000000000000000000001' +
    '0800060000040000' +
    '1400050020010db8000000000000000000000009' +
    '0800040003000000' +
    '24000c0002000000000000000000000000000000000000000000000000000000000000000500140000000000',
  'hex',
);
const NEIGHBOUR_V4 = Buffer.from(
  '4c0000001c00020007000000334900000200000003000000' + // header; family 2, interface 3
    '04000001' + // state 4 (stale), flags 0, type 1
    '08000100c0000209' + // 192.0.2.9
    '0a00020002000000000900000800040000000000' +
    '1400030070170000000000000000000000000000',
  'hex',
);
const NEIGHBOUR_V6 = Buffer.from(
  '580000001c00020007000000334900000a0000000300000080000001' +
    '1400010020010db8000000000000000000000009' +
    '0a00020002000000000900000800040000000000' +
    '1400030000000000000000000000000000000000',
  'hex',
);
const LINK = Buffer.from(
  '4c000000100002000700000033490000' +
    '00000100030000004310010000000000' + // Ethernet, index 3, flags with IFF_UP
    '0a000300616c706861000000' + // name alpha
    '08000d00e8030000' + // queue length
    '0500100006000000' + // operational state 6
    '0500110000000000' + // link mode
    '050021000100' + // carrier
    '0000',
  'hex',
);

const DECODERS = [
  ['decodeRoute', decodeRoute, ROUTE_V6],
  ['decodeNeighbour', decodeNeighbour, NEIGHBOUR_V6],
  ['decodeLink', decodeLink, LINK],
] as const;

describe('decoding', () => {
  it('reads routes', () => {
    expect(decodeRoute(ROUTE_V4)).toEqual({
      family: 4,
      type: 'unicast',
      outputInterface: 3,
      gateway: '192.0.2.9',
      preferredSource: '192.0.2.1',
    });
    expect(decodeRoute(ROUTE_V6)).toEqual({
      family: 6,
      type: 'unicast',
      outputInterface: 3,
      gateway: '2001:db8::9',
      preferredSource: '2001:db8::1',
    });
  });

  it('names route types, and numbers those it does not know', () => {
    const typed = (type: number) => {
      const message = Buffer.from(ROUTE_V4);
      message[23] = type;
      return decodeRoute(message).type;
    };
    expect([2, 6, 7, 8, 200].map(typed)).toEqual(['local', 'blackhole', 'unreachable', 'prohibit', 'type-200']);
  });

  it('reads neighbours', () => {
    expect(decodeNeighbour(NEIGHBOUR_V4)).toEqual({ interfaceIndex: 3, address: '192.0.2.9', state: 'STALE' });
    expect(decodeNeighbour(NEIGHBOUR_V6)).toEqual({ interfaceIndex: 3, address: '2001:db8::9', state: 'PERMANENT' });
    const bridge = Buffer.from(NEIGHBOUR_V4);
    bridge[16] = 7;
    expect(decodeNeighbour(bridge)).toBeUndefined();
  });

  it('reads links, also in a view that does not start at its buffer', () => {
    const link = { index: 3, name: 'alpha', up: true, operationalState: 'up', carrier: true };
    expect(decodeLink(LINK)).toEqual(link);
    expect(decodeLink(Buffer.concat([Buffer.alloc(5), LINK]).subarray(5))).toEqual(link);
  });
});

describe('bad messages', () => {
  it.each(DECODERS)('%s refuses its message cut at any length', (_, decode, message) => {
    for (let length = 0; length < message.length; length++) {
      expect(() => decode(message.subarray(0, length))).toThrow(RtnetlinkError);
    }
  });

  it.each(DECODERS)(
    '%s of a message that claims to be shorter gives a value or its own error',
    (_, decode, message) => {
      for (let length = 0; length <= message.length; length++) {
        const claimed = Buffer.from(message);
        claimed.writeUInt32LE(length, 0);
        onlyOwnError(() => decode(claimed));
      }
    },
  );

  it.each(DECODERS)('%s of random bytes gives a value or its own error', (_, decode, message) => {
    const noise = uint8Array({ minLength: 0, maxLength: 96 });
    assert(
      property(noise, constantFrom(true, false), (bytes, keepHeader) => {
        const random = Buffer.from(bytes);
        if (keepHeader && random.length >= 16) {
          message.copy(random, 0, 0, 16);
          random.writeUInt32LE(random.length, 0);
          // A family that is known lets the walk reach the attributes.
          if (random.length > 16) random[16] = random[16] & 1 ? 2 : 10;
        }
        onlyOwnError(() => decode(random));
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses an attribute that passes its message, and one of no length', () => {
    for (const length of [0, 3, 9, 0xffff]) {
      const message = Buffer.from(LINK);
      message.writeUInt16LE(length, message.length - 8);
      expect(() => decodeLink(message)).toThrow(RtnetlinkError);
    }
  });
});

function onlyOwnError(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(RtnetlinkError);
  }
}

describe('requests', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  it('asks for one route', () => {
    expect(hex(routeRequest({ sequence: 7, destination: Uint8Array.of(203, 0, 113, 5) }))).toBe(
      '240000001a0001000700000000000000' + '022000000000000000000000' + '08000100cb007105',
    );
    const loopback = new Uint8Array(16);
    loopback[15] = 1;
    expect(hex(routeRequest({ sequence: 1, destination: loopback, interfaceIndex: 3, mark: 0x12345678 }))).toBe(
      '400000001a0001000100000000000000' +
        '0a8000000000000000000000' +
        '1400010000000000000000000000000000000001' +
        '0800040003000000' +
        '0800100078563412',
    );
    expect(() => routeRequest({ sequence: 1, destination: new Uint8Array(5) })).toThrow(RangeError);
  });

  it('asks for dumps', () => {
    expect(hex(neighbourDumpRequest(2))).toBe(`1c0000001e0001030200000000000000${'00'.repeat(12)}`);
    expect(hex(linkDumpRequest(2))).toBe(`20000000120001030200000000000000${'00'.repeat(16)}`);
  });
});
