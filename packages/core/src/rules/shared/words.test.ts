import { describe, expect, it } from 'vitest';
import { counted, listed, thousands } from './words.ts';

describe('words', () => {
  it('thousands', () => {
    expect([0, 999, 1_000, 1_234_567].map(thousands)).toEqual(['0', '999', '1,000', '1,234,567']);
  });
  it('counted', () => {
    expect([counted(1, 'orphan'), counted(2, 'orphan')]).toEqual(['1 orphan', '2 orphans']);
  });
  it('listed', () => {
    const lists = [[], ['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c', 'd', 'e']];
    expect(lists.map((items) => listed(items))).toEqual(['', 'a', 'a and b', 'a, b and c', 'a, b, c and 2 more']);
  });
});
