import fc from 'fast-check';
import type { SegmentDraft } from '../../src/packet/segment.ts';

/** Any segment that can be written. For tests. */
export function anySegment(): fc.Arbitrary<Required<SegmentDraft>> {
  const u16 = fc.integer({ min: 0, max: 0xffff });
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const tcp = fc.record({
    sourcePort: u16,
    destinationPort: u16,
    sequence: u32,
    acknowledgment: u32,
    flags: fc.integer({ min: 0, max: 255 }),
    window: u16,
    urgentPointer: u16,
    options: fc.integer({ min: 0, max: 10 }).chain((words) => someBytes(words * 4)),
  });
  const addresses = fc.constantFrom(4, 16).chain((length) => fc.tuple(someBytes(length), someBytes(length)));
  return fc
    .tuple(addresses, tcp, fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 1, max: 255 }))
    .map(([[source, destination], header, payload, hopLimit]) => ({
      source,
      destination,
      tcp: header,
      payload,
      hopLimit,
    }));
}

function someBytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}
