import { describe, expect, it } from 'vitest';
import { MAX_POLL_ENTRIES, parseEpollTargets, pollDescriptors, selectDescriptors } from './watched.ts';

const fdSet = (bytes: number, ...fds: number[]) => {
  const set = Buffer.alloc(bytes);
  for (const fd of fds) set[fd >> 3] |= 1 << (fd & 7);
  return set;
};

describe('pollDescriptors', () => {
  it('reads descriptors, leaving out the negative ones', () => {
    const memory = Buffer.from('0500000001000000' + 'ffffffff01000000' + '0c01000001000400', 'hex');
    const seen: unknown[] = [];
    const read = (...given: unknown[]) => {
      seen.push(given);
      return memory;
    };
    expect(pollDescriptors([0x7fff_1234_5678n, 3n, 0n], read)).toEqual({ fds: [5, 268] });
    expect(seen).toEqual([[0x7fff_1234_5678n, 24]]);
  });

  it('ignores the upper half of the count, and reads nothing for an empty array', () => {
    expect(pollDescriptors([1n, 0xdead_0000_0000n], () => expect.fail('read'))).toEqual({ fds: [] });
  });

  it('is bounded and says what it left out', () => {
    const read = (_: bigint, length: number) => Buffer.alloc(length);
    const { fds, incomplete } = pollDescriptors([1n, 1_000_000n], read);
    expect(fds.length).toBe(MAX_POLL_ENTRIES);
    expect(incomplete).toBe('only 4096 of 1000000 poll entries were read');
  });

  it('takes a short read for what it is', () => {
    expect(pollDescriptors([1n, 2n], () => Buffer.alloc(11))).toEqual({
      fds: [0],
      incomplete: 'only 1 of 2 poll entries were read',
    });
  });
});

describe('selectDescriptors', () => {
  it('unites the three sets, below the count only', () => {
    const sets: Record<string, Buffer> = { '16': fdSet(24, 3, 130, 133), '32': fdSet(24, 4) };
    const read = (address: bigint, length: number) => sets[String(address)].subarray(0, length);
    expect(selectDescriptors([132n, 16n, 0n, 32n], read)).toEqual({ fds: [3, 4, 130] });
  });

  it('says when a set could not be read', () => {
    expect(selectDescriptors([8n, 16n, 0n, 0n], () => undefined)).toEqual({
      fds: [],
      incomplete: 'a select set could not be read',
    });
  });

  it('reads no set for a count that is negative', () => {
    expect(selectDescriptors([0xffff_ffffn, 16n, 0n, 0n], () => expect.fail('read'))).toEqual({ fds: [] });
  });
});

describe('parseEpollTargets', () => {
  it('reads descriptors, and inodes where the kernel prints them', () => {
    const text =
      'pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1058\n' +
      'tfd:       14 events:       19 data:              e0000000e  pos:0 ino:1f2a sdev:8\n' +
      'tfd:        5 events:       1d data: ffffffff00000005 \n';
    expect(parseEpollTargets(text)).toEqual([{ fd: 14, inode: 0x1f2a }, { fd: 5 }]);
  });
});
