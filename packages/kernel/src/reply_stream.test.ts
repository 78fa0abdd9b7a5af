import { describe, expect, it } from 'vitest';
import { type ReceiveSet, ReplyStream } from './reply_stream.ts';

/** Fills the sets with datagrams numbered from 0; the last one has the length 0. */
function numbered(total: number) {
  let given = 0;
  let calls = 0;
  const receive = async ({ buffers }: ReceiveSet): Promise<number[]> => {
    await new Promise(setImmediate);
    calls++;
    const count = Math.min(buffers.length, total - given);
    return Array.from({ length: count }, (_, index) => {
      buffers[index].words[0] = given;
      return ++given === total ? 0 : 4;
    });
  };
  return { receive, calls: () => calls };
}

async function readAll(stream: ReplyStream, work = () => {}): Promise<number[]> {
  const seen: number[] = [];
  for (let reply = await stream.next(); reply; reply = await stream.next()) {
    seen.push(reply.buffer.words[0]);
    work();
  }
  return seen;
}

function busy(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

const isLast = (_: unknown, length: number) => length === 0;

describe('the stream of replies', () => {
  it.each([1, 4, 5, 20, 21, 300])('gives %i datagrams in their order, and the end behind them', async (total) => {
    const stream = new ReplyStream(numbered(total).receive, isLast);
    expect(await readAll(stream)).toEqual(Array.from({ length: total }, (_, index) => index));
    await stream.stop();
  });

  it('receives ahead of a slow decoder without overwriting what it has not read', async () => {
    const stream = new ReplyStream(numbered(120).receive, isLast);
    expect(await readAll(stream, () => busy(0.3))).toEqual(Array.from({ length: 120 }, (_, index) => index));
  });

  it('stops receiving when the decoder does not go on', async () => {
    const { receive, calls } = numbered(100_000);
    const stream = new ReplyStream(receive, isLast);
    await stream.next();
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    expect(calls()).toBe(9);
    await stream.stop();
    expect(calls()).toBe(9);
  });

  it('gives what came before a failure, then the failure', async () => {
    const { receive } = numbered(100);
    let left = 2;
    const failing = (set: ReceiveSet) => (left-- > 0 ? receive(set) : Promise.reject(new Error('lost')));
    const stream = new ReplyStream(failing, isLast);
    const seen: number[] = [];
    await expect(async () => {
      for (let reply = await stream.next(); reply; reply = await stream.next()) seen.push(reply.buffer.words[0]);
    }).rejects.toThrow('lost');
    expect(seen).toHaveLength(20);
    await stream.stop();
  });
});
