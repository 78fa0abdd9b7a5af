import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anySegment } from '../../test/support/any_segment.ts';
import { LITTLE_ENDIAN } from '../wire/netlink.ts';
import { encodeSegment, type SegmentDraft } from './segment.ts';
import { connectionAttemptFilter, FILTER_INSTRUCTION_BYTES, portPairFilter } from './tap_filter.ts';

/** The machine of Documentation/networking/filter.rst, as far as it is used. Throws for what the kernel would refuse. */
function run(program: Uint8Array, packet: Uint8Array): number {
  const view = new DataView(program.buffer);
  const data = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let [accumulator, x] = [0, 0];
  for (let at = 0; at < program.length / FILTER_INSTRUCTION_BYTES; at++) {
    const offset = at * FILTER_INSTRUCTION_BYTES;
    const operand = view.getUint32(offset + 4, LITTLE_ENDIAN);
    const jump = (isTrue: boolean) => {
      at += view.getUint8(offset + (isTrue ? 2 : 3));
    };
    const load = (read: () => number): boolean => {
      try {
        accumulator = read();
        return true;
      } catch {
        return false;
      }
    };
    const code = view.getUint16(offset, LITTLE_ENDIAN);
    // A load outside of the packet ends the program: refused.
    if (code === 0x30 && !load(() => data.getUint8(operand))) return 0;
    else if (code === 0x28 && !load(() => data.getUint16(operand))) return 0;
    else if (code === 0x40 && !load(() => data.getUint32(x + operand))) return 0;
    else if (code === 0x50 && !load(() => data.getUint8(x + operand))) return 0;
    else if (code === 0xb1) x = (packet[operand] & 15) * 4;
    else if (code === 0x01) x = operand;
    else if (code === 0x74) accumulator >>>= operand;
    else if (code === 0x54) accumulator &= operand;
    else if (code === 0x05) at += operand;
    else if (code === 0x15) jump(accumulator === operand);
    else if (code === 0x45) jump((accumulator & operand) !== 0);
    else if (code === 0x06) return operand;
    else if (![0x30, 0x28, 0x40, 0x50].includes(code)) throw new Error(`unknown instruction ${code.toString(16)}`);
  }
  throw new Error('the program does not end with a return');
}

const withPorts = (draft: SegmentDraft, sourcePort: number, destinationPort: number): SegmentDraft => ({
  ...draft,
  tcp: { ...draft.tcp, sourcePort, destinationPort },
});

describe('filters of a packet tap', () => {
  it('let both directions between two ports pass, and nothing else', () => {
    const port = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(anySegment(), port, port, port, (draft, one, other, third) => {
        const filter = portPairFilter(one, other);
        expect(run(filter, encodeSegment(withPorts(draft, one, other)))).toBeGreaterThan(0);
        expect(run(filter, encodeSegment(withPorts(draft, other, one)))).toBeGreaterThan(0);
        fc.pre(third !== one && third !== other);
        expect(run(filter, encodeSegment(withPorts(draft, one, third)))).toBe(0);
        expect(run(filter, encodeSegment(withPorts(draft, third, other)))).toBe(0);
      }),
    );
  });

  it('let attempts to connect pass', () => {
    fc.assert(
      fc.property(anySegment(), (draft) => {
        const isAttempt = (draft.tcp.flags & 0x17) === 2;
        expect(run(connectionAttemptFilter(), encodeSegment(draft)) > 0).toBe(isAttempt);
      }),
    );
  });

  it('let nothing pass that is not TCP, and read nothing outside of the packet', () => {
    const filters = [portPairFilter(0, 0), connectionAttemptFilter()];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (packet) => {
        const version = (packet[0] ?? 0) >> 4;
        const protocol = version === 4 ? packet[9] : version === 6 ? packet[6] : undefined;
        for (const filter of filters) if (protocol !== 6) expect(run(filter, packet)).toBe(0);
      }),
    );
    for (const filter of filters) {
      for (let length = 0; length < 40; length++) {
        expect(
          run(filter, Uint8Array.of(0x45, ...new Uint8Array(8), 6, ...new Uint8Array(40)).subarray(0, length)),
        ).toBe(length >= 24 && filter === filters[0] ? 0xffff_ffff : 0);
      }
    }
  });
});
