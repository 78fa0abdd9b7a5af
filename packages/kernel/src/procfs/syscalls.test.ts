import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { callTable, descriptorArgument, parsePresentCall } from './syscalls.ts';

const HEADERS = [
  ['x64', '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'],
  ['arm64', '/usr/include/asm-generic/unistd.h'],
] as const;

describe('callTable', () => {
  // Headers come with a C compiler; other machines keep the x64 ones elsewhere.
  it.for(HEADERS)('has the numbers of the C headers for %s', ([machine, path], { skip }) => {
    if (!existsSync(path)) skip(`${path} is not installed`);
    const official = new Map<string, number>();
    for (const [, name, number] of readFileSync(path, 'utf8').matchAll(/#define __NR(?:3264)?_(\w+)\s+(\d+)/g)) {
      if (!official.has(name)) official.set(name, Number(number));
    }
    let compared = 0;
    for (const [number, { name }] of callTable(machine)) {
      // Headers older than the call do not have it.
      if (!official.has(name)) continue;
      expect([name, number]).toEqual([name, official.get(name)]);
      compared++;
    }
    expect(compared).toBeGreaterThan(40);
  });
});

describe('parsePresentCall', () => {
  it('reads the three forms of the kernel', () => {
    expect(parsePresentCall('running\n')).toEqual({ kind: 'running' });
    expect(parsePresentCall('-1 0x7ffc 0x7fa9\n')).toEqual({ kind: 'blocked' });
    expect(parsePresentCall('0 0x3 0x7fa98b7db000 0x20000 0x1 0xffffffffffffffff 0x0 0x7ffcc18c3678 0x7fa9\n')).toEqual(
      {
        kind: 'call',
        number: 0,
        arguments: [3n, 0x7fa98b7db000n, 0x20000n, 1n, 0xffff_ffff_ffff_ffffn, 0n],
      },
    );
  });

  it.each(['', 'runnin', '0 0x3', '1e3 0x0 0x0 0x0 0x0 0x0 0x0', '0 0x3 0x1 0x2 zz 0x1 0x2'])(
    'takes %j for nothing',
    (text) => {
      expect(parsePresentCall(text)).toBeUndefined();
    },
  );
});

describe('descriptorArgument', () => {
  it('looks at the lower, signed half', () => {
    expect(descriptorArgument(0xdead_beef_0000_0007n)).toBe(7);
    expect(descriptorArgument(0xffff_ffffn)).toBeUndefined();
    expect(descriptorArgument(0xffff_ffff_ffff_ff9cn)).toBeUndefined();
  });
});
