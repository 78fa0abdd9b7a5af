import { expect, test } from 'vitest';
import { endpointText, plainAddress } from './address.ts';

test('a v4-mapped address is the IPv4 address that it holds, and nothing else is', () => {
  expect(plainAddress('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(plainAddress('::ffff:1')).toBe('::ffff:1');
  expect(plainAddress('10.0.0.1')).toBe('10.0.0.1');
});

test('an IPv6 address stands in brackets before its port', () => {
  expect(endpointText('fe80::1', 80)).toBe('[fe80::1]:80');
  expect(endpointText('10.0.0.1', 80)).toBe('10.0.0.1:80');
});
