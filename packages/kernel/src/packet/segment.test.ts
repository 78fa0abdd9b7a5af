import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anySegment } from '../../test/support/any_segment.ts';
import { decodeIpv4, encodeIpv4 } from './ipv4.ts';
import { decodeIpv6, encodeIpv6 } from './ipv6.ts';
import { checksumsHold, decodeSegment, encodeSegment } from './segment.ts';
import { addToSequence, isAfter, TcpFlag } from './tcp.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
const withoutPayload = ({ source, destination, tcp, payload }: ReturnType<typeof draft>) => ({
  source,
  destination,
  tcp,
  payloadBytes: payload.length,
});
const draft = () => fc.sample(anySegment(), 1)[0];

/**
 * Answers of Linux 6.18 to attempts to connect to port 1 of the loopback addresses, captured by a packet socket. The
 * second had been left to the network card to complete: its checksum was computed with Python's struct.
 */
const FROM_LINUX = {
  ipv4: `45000028 00004000 40063cce 7f000001 7f000001
         0001da38 00000000 087eb361 50140000 1bb50000`,
  ipv6: `60041ca6 00140640
         00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000001
         0001eb4c 00000000 6119aaeb 50140000 b87c0000`,
};

describe('a TCP segment in an IP packet', () => {
  it('reads what Linux sends', () => {
    const four = bytes(FROM_LINUX.ipv4);
    expect(decodeSegment(four)).toEqual({
      source: Uint8Array.of(127, 0, 0, 1),
      destination: Uint8Array.of(127, 0, 0, 1),
      tcp: {
        sourcePort: 1,
        destinationPort: 0xda38,
        sequence: 0,
        acknowledgment: 0x087e_b361,
        flags: TcpFlag.RST | TcpFlag.ACK,
        window: 0,
        urgentPointer: 0,
        options: new Uint8Array(0),
      },
      payloadBytes: 0,
    });
    const six = bytes(FROM_LINUX.ipv6);
    expect(decodeSegment(six)?.tcp).toMatchObject({ sourcePort: 1, acknowledgment: 0x6119_aaeb, flags: 0x14 });
    expect([checksumsHold(four), checksumsHold(six)]).toEqual([true, true]);
    // Written by us they are the same, but for what Linux chooses for the flow label.
    const again = (packet: Uint8Array) =>
      encodeSegment(decodeSegment(packet) as NonNullable<ReturnType<typeof decodeSegment>>);
    expect(again(four)).toEqual(four);
    expect(again(six).subarray(4)).toEqual(six.subarray(4));
  });

  it('reads back what it writes, with checksums that hold', () => {
    fc.assert(
      fc.property(anySegment(), (each) => {
        const packet = encodeSegment(each);
        expect(decodeSegment(packet)).toEqual(withoutPayload(each));
        expect(checksumsHold(packet)).toBe(true);
      }),
    );
  });

  it('notices every single wrong bit that a checksum covers', () => {
    fc.assert(
      fc.property(anySegment(), fc.nat(), (each, position) => {
        const packet = encodeSegment(each);
        const bit = position % (packet.length * 8);
        packet[bit >> 3] ^= 1 << (bit & 7);
        // The fixed IPv6 header has no checksum: only its addresses are covered, by that of TCP.
        const isCovered = each.source.length === 4 || bit >> 3 >= 8;
        if (isCovered) expect(checksumsHold(packet)).toBe(false);
      }),
    );
  });

  it('reads nothing from headers cut short, at any length, and the same from cut data', () => {
    fc.assert(
      fc.property(anySegment(), (each) => {
        const packet = encodeSegment(each);
        const headers = packet.length - each.payload.length;
        for (let length = 0; length <= packet.length; length++) {
          const read = decodeSegment(packet.subarray(0, length), packet.length);
          expect(read).toEqual(length < headers ? undefined : withoutPayload(each));
          if (length < packet.length) expect(checksumsHold(packet.subarray(0, length))).toBe(false);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('survives any bytes', () => {
    const garbage = fc.tuple(fc.constantFrom(0x45, 0x4f, 0x60, 0x00), fc.uint8Array({ maxLength: 120 }));
    fc.assert(
      fc.property(garbage, ([first, rest]) => {
        const packet = Uint8Array.of(first, ...rest);
        const read = decodeSegment(packet);
        if (read) expect(read.payloadBytes).toBeGreaterThanOrEqual(0);
        checksumsHold(packet);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is found behind IPv6 extension headers, but not in a later fragment', () => {
    const each = { ...draft(), source: new Uint8Array(16), destination: new Uint8Array(16) };
    const plain = encodeSegment(each);
    const behind = (headers: string, first: number) => {
      const extension = bytes(headers);
      const packet = Uint8Array.of(...plain.subarray(0, 40), ...extension, ...plain.subarray(40));
      packet[6] = first;
      new DataView(packet.buffer).setUint16(4, packet.length - 40);
      return packet;
    };
    const hopByHopThenRouting = '2b00 0000 0000 0000  0601 0000 0000 0000 0000 0000 0000 0000';
    expect(decodeSegment(behind(hopByHopThenRouting, 0))).toEqual(withoutPayload(each));
    expect(checksumsHold(behind(hopByHopThenRouting, 0))).toBe(true);
    expect(decodeSegment(behind('0600 0001 1234 5678', 44))).toEqual(withoutPayload(each));
    expect(decodeSegment(behind('0600 0009 1234 5678', 44))).toBeUndefined();
    expect(decodeSegment(behind('3b00 0000 0000 0000', 0))).toBeUndefined();
  });

  it('is not seen in other protocols, other versions or later IPv4 fragments', () => {
    const packet = encodeSegment({ ...draft(), source: new Uint8Array(4), destination: new Uint8Array(4) });
    const changed = (at: number, value: number) => packet.map((byte, index) => (index === at ? value : byte));
    expect(decodeSegment(changed(9, 17))).toBeUndefined();
    expect(decodeSegment(changed(7, 1))).toBeUndefined();
    expect(decodeSegment(changed(0, 0x55))).toBeUndefined();
    expect(decodeSegment(changed(0, 0x44))).toBeUndefined();
  });

  it('refuses what does not fit', () => {
    const each = draft();
    expect(() => encodeSegment({ ...each, destination: new Uint8Array(5) })).toThrow(RangeError);
    expect(() => encodeSegment({ ...each, tcp: { ...each.tcp, options: new Uint8Array(3) } })).toThrow(RangeError);
    expect(() => encodeSegment({ ...each, tcp: { ...each.tcp, options: new Uint8Array(44) } })).toThrow(RangeError);
  });
});

describe('IP headers', () => {
  it('keep every field', () => {
    const four = {
      trafficClass: 0xb8,
      totalLength: 1500,
      identification: 0xbeef,
      dontFragment: false,
      moreFragments: true,
      fragmentOffset: 0x1abc,
      timeToLive: 7,
      protocol: 50,
      source: Uint8Array.of(192, 0, 2, 1),
      destination: Uint8Array.of(198, 51, 100, 2),
      options: bytes('9404 0000 0101 0101'),
    };
    expect(decodeIpv4(encodeIpv4(four))).toEqual(four);
    const six = {
      trafficClass: 0xff,
      flowLabel: 0xabcde,
      payloadLength: 1280,
      nextHeader: 58,
      hopLimit: 255,
      source: new Uint8Array(16).fill(0x20),
      destination: new Uint8Array(16).fill(0xfe),
    };
    expect(decodeIpv6(encodeIpv6(six))).toEqual(six);
    expect(Buffer.from(encodeIpv6(six)).toString('hex', 0, 8)).toBe('6ffabcde05003aff');
  });
});

describe('sequence numbers', () => {
  it('wrap', () => {
    expect(addToSequence(0xffff_ffff, 2)).toBe(1);
    expect(addToSequence(0, -1)).toBe(0xffff_ffff);
    expect([isAfter(1, 0xffff_ffff), isAfter(0xffff_ffff, 1), isAfter(5, 5)]).toEqual([true, false, false]);
  });
});
