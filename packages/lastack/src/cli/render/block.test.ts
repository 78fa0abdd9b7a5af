import { describe, expect, it } from 'vitest';
import { renderBlocks } from './block.ts';

const WEB1 = { inode: 4026531840, label: 'web1', path: '/run/netns/web1' };
const STANDING = { namespace: WEB1, permanent: false, inForce: true };
const BLOCKS = [
  {
    ...STANDING,
    verdict: 'drop' as const,
    local: { address: '10.9.9.9', port: 1 },
    remote: { address: '10.9.9.8', port: 2 },
    leftMs: 60_000,
  },
  {
    ...STANDING,
    verdict: 'reject' as const,
    local: { address: '2001:db8::1', port: 443 },
    remote: { address: '2001:db8::3', port: 50123 },
  },
];

describe('the list of blocks', () => {
  const TABLE = `NETNS  CONNECTION                             VERDICT  TIME LEFT
web1   10.9.9.9:1-10.9.9.8:2                  drop     1 min
web1   [2001:db8::1]:443-[2001:db8::3]:50123  reject   until removed or restarted
`;
  it('is a table in a pipe and on a wide terminal', () => {
    expect(renderBlocks(BLOCKS, true)).toBe(TABLE);
    expect(renderBlocks(BLOCKS, true, 90)).toBe(TABLE);
    expect(renderBlocks(BLOCKS.slice(0, 1), false)).toBe(
      'CONNECTION             VERDICT  TIME LEFT\n10.9.9.9:1-10.9.9.8:2  drop     1 min\n',
    );
  });

  it('has each connection in a line of its own where the table does not fit', () => {
    expect(renderBlocks(BLOCKS, true, 60)).toBe(`CONNECTION
  NETNS  VERDICT  TIME LEFT
10.9.9.9:1-10.9.9.8:2
  web1   drop     1 min
[2001:db8::1]:443-[2001:db8::3]:50123
  web1   reject   until removed or restarted
`);
  });
});
