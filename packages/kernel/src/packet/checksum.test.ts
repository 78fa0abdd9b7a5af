import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addWords, foldChecksum } from './checksum.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('the Internet checksum', () => {
  it('is that of the example in RFC 1071 §3', () => {
    const sum = addWords(0, bytes('00 01 f2 03 f4 f5 f6 f7'));
    expect(sum).toBe(0x2_ddf0);
    expect(foldChecksum(sum)).toBe(~0xddf2 & 0xffff);
  });

  it('is that of a well-known IPv4 header', () => {
    const header = '4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7';
    expect(foldChecksum(addWords(0, bytes(header)))).toBe(0xb861);
    expect(foldChecksum(addWords(0, bytes(header.replace('4011 0000', '4011 b861'))))).toBe(0);
  });

  it('takes an odd last byte as the high half of a word', () => {
    expect(addWords(0, bytes('01 02 03'))).toBe(0x0102 + 0x0300);
    expect(addWords(0, bytes('ff 01 02 ff'), 1, 3)).toBe(0x0102);
  });

  it('can be summed in parts, in any order (RFC 1071 §2)', () => {
    const words = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 });
    fc.assert(
      fc.property(words, words, (one, other) => {
        const [left, right] = [one, other].map((part) =>
          Uint8Array.from(part.flatMap((word) => [word >> 8, word & 255])),
        );
        const whole = Uint8Array.from([...right, ...left]);
        expect(foldChecksum(addWords(addWords(0, left), right))).toBe(foldChecksum(addWords(0, whole)));
      }),
    );
  });
});
