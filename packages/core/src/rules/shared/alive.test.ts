import { describe, expect, it } from 'vitest';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf } from '../../testing.ts';
import { othersTo, witnessesFor } from './alive.ts';
import { many } from './testing.ts';

const open = { state: TcpState.ESTABLISHED, inode: 1 };
const stalled = { ...open, timer: TimerCode.RETRANSMIT, retries: 5 };

describe('witnesses', () => {
  it('are open connections to the same address that are not stalled themselves', () => {
    const sockets = [
      stalled,
      open,
      { ...open, remote: '10.9.0.2' }, // same last two bytes
      { ...open, remote: '10.0.0.3' },
      stalled,
      { ...open, state: TcpState.CLOSE_WAIT },
      { ...open, timer: TimerCode.RETRANSMIT }, // data in flight
    ];
    expect(witnessesFor(namespaceOf(sockets), [0])).toEqual([1, 6]);
  });

  it('are few for each address', () => {
    const others = many(100, (index) => ({ ...open, remote: `10.0.0.${2 + (index % 2)}` }));
    expect(witnessesFor(namespaceOf([stalled, { ...stalled, remote: '10.0.0.3' }, ...others]), [0, 1])).toHaveLength(
      32,
    );
  });
});

describe('what others heard', () => {
  it('is the shortest time, and only from those that tell', () => {
    const sockets = [
      stalled,
      { ...open, info: { lastAckReceivedMs: 900, lastDataReceivedMs: 700 } },
      { ...open, info: { lastAckReceivedMs: 800, lastDataReceivedMs: 750 } },
      open,
      { state: TcpState.TIME_WAIT, expiresMs: 50_000 },
    ];
    const others = othersTo(namespaceOf(sockets), new Map([['10.0.0.2', 0]])).get('10.0.0.2');
    expect(others).toMatchObject({ heardMs: 700, quietOpen: 3 });
  });

  it('is nothing where nobody tells', () => {
    expect(othersTo(namespaceOf([stalled, open]), new Map([['10.0.0.2', 0]])).get('10.0.0.2')).toEqual({
      quietOpen: 1,
    });
  });
});
