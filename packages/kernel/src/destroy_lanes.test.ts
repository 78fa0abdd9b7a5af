import { describe, expect, it } from 'vitest';
import { DestroyLanes } from './destroy_lanes.ts';
import { KernelError } from './errors.ts';
import { identityTable, type SocketIdentity } from './socket_identity.ts';
import type { NetlinkTransport } from './transport/transport.ts';

const REQUEST_BYTES = 72;
const FAMILY_4: SocketIdentity = {
  family: 4,
  state: 6,
  local: { address: '10.1.2.3', port: 0x1234 },
  remote: { address: '192.0.2.99', port: 443 },
  cookie: 0x1122_3344_5566_7788n,
  interfaceIndex: 7,
};
const many = (count: number, from = 1) =>
  identityTable(Array.from({ length: count }, (_, index) => ({ ...FAMILY_4, cookie: BigInt(from + index) })));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => BigInt(index + 1));

/** Keeps what is sent; a send from another thread ends when the test says so. */
function heldTransport() {
  const sent: Uint8Array[] = [];
  const waiting: { resolve(): void; reject(error: unknown): void }[] = [];
  let most = 0;
  const transport: NetlinkTransport = {
    send: () => {
      throw new Error('from this thread');
    },
    sendAside: (datagram) => {
      const held = new Promise<void>((resolve, reject) => {
        waiting.push({ resolve, reject });
      });
      most = Math.max(most, waiting.length);
      // The kernel may read it until the very end.
      return held.finally(() => sent.push(datagram.slice()));
    },
    receive: () => Promise.reject(new Error('nothing is received')),
    close() {},
  };
  const end = (error?: unknown) => {
    const next = waiting.shift();
    if (error) next?.reject(error);
    else next?.resolve();
    return new Promise(setImmediate);
  };
  return {
    transport,
    sent,
    end,
    get underWay() {
      return waiting.length;
    },
    get most() {
      return most;
    },
  };
}

function immediate() {
  const sent: Uint8Array[] = [];
  const transport: NetlinkTransport = {
    send: (datagram) => void sent.push(datagram.slice()),
    receive: () => Promise.reject(new Error('nothing is received')),
    close() {},
  };
  return { transport, sent };
}

function cookiesIn(datagrams: readonly Uint8Array[]): bigint[] {
  return datagrams.flatMap((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return Array.from({ length: bytes.length / REQUEST_BYTES }, (_, index) =>
      view.getBigUint64(index * REQUEST_BYTES + 64, true),
    );
  });
}

describe('lanes that end sockets', () => {
  it('send struct inet_diag_req_v2 with the cookie, which asks for no answer', async () => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport);
    lanes.addRows(identityTable([FAMILY_4]));
    await lanes.finish();
    const expected = [
      '48 00 00 00 15 00 01 00 00 00 00 00 00 00 00 00', // 72 bytes, type 21, NLM_F_REQUEST, sequence, port id
      '02 06 00 00 ff ff ff ff', // AF_INET, IPPROTO_TCP, ext, pad; all states
      '12 34 01 bb', // ports in network order
      '0a 01 02 03 00 00 00 00 00 00 00 00 00 00 00 00',
      'c0 00 02 63 00 00 00 00 00 00 00 00 00 00 00 00',
      '07 00 00 00', // interface
      '88 77 66 55 44 33 22 11', // cookie, low half first
    ].join(' ');
    expect(sent.map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' '))).toEqual([
      expected,
    ]);
    expect([lanes.asked.count, lanes.asked.low(0), lanes.asked.high(0)]).toEqual([1, 0x5566_7788, 0x1122_3344]);
  });

  it('send each socket once, however they come, and nothing before they are told to', async () => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport, { expected: 10 });
    lanes.addRows(many(2_000));
    expect(sent).toEqual([]);
    for (let part = 0; part < 30; part++) {
      lanes.addRows(many(333, 2_001 + part * 333));
      lanes.advance();
    }
    await lanes.finish();
    const all = 2_000 + 30 * 333;
    expect(cookiesIn(sent).sort((one, other) => Number(one - other))).toEqual(upTo(all));
    expect(lanes.asked.count).toBe(all);
    // SO_SNDBUF is 212,992 bytes where nobody changed it, 32 of which are the kernel's own.
    for (const datagram of sent) expect(datagram.length).toBeLessThanOrEqual(212_960);
  });

  it('never send a cookie that stands for any socket, or for none', async () => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport);
    const cookies = [0n, 0xffff_ffff_ffff_ffffn, 9n];
    lanes.addRows(identityTable(cookies.map((cookie) => ({ ...FAMILY_4, cookie }))));
    await lanes.finish();
    expect([cookiesIn(sent), lanes.asked.count]).toEqual([[9n], 1]);
  });

  it('wait with a few while more are to come', async () => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport);
    lanes.addRows(many(100));
    lanes.advance();
    expect(sent).toEqual([]);
    await lanes.finish();
    expect(cookiesIn(sent)).toEqual(upTo(100));
  });

  it('have a few sends under way, touch none of their bytes, and end when the last has ended', async () => {
    const held = heldTransport();
    const progress: number[] = [];
    const lanes = new DestroyLanes(held.transport, { onProgress: (done) => progress.push(done) });
    lanes.addRows(many(30_000));
    lanes.advance();
    expect(held.underWay).toBe(4);
    let isOver = false;
    const over = lanes.finish().then(() => {
      isOver = true;
    });
    while (held.underWay > 1) await held.end();
    expect(isOver).toBe(false);
    await held.end();
    await over;
    expect([held.most, progress.at(-1)]).toEqual([4, 30_000]);
    expect(cookiesIn(held.sent)).toEqual(upTo(30_000));
  });

  it('can go on after they have finished', async () => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport);
    lanes.addRows(many(10));
    await lanes.finish();
    lanes.addRows(many(5, 11));
    await lanes.finish();
    await lanes.finish();
    expect(cookiesIn(sent)).toEqual(upTo(15));
  });

  it('leave those beyond the limit alone, and count them', async () => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport, { limit: 1_000 });
    lanes.addRows(many(999));
    lanes.addRows(many(100, 1_000));
    await lanes.finish();
    expect([cookiesIn(sent), lanes.asked.count, lanes.overLimit]).toEqual([upTo(1_000), 1_000, 99]);
  });

  it('send nothing more once they are stopped', async () => {
    const held = heldTransport();
    const stop = new AbortController();
    const lanes = new DestroyLanes(held.transport, { signal: stop.signal });
    lanes.addRows(many(30_000));
    lanes.advance();
    stop.abort();
    const over = lanes.finish();
    while (held.underWay > 0) await held.end();
    await over;
    expect(held.sent.length).toBe(4);
  });

  it('tell of a failure when nothing is under way any more', async () => {
    const held = heldTransport();
    const lanes = new DestroyLanes(held.transport);
    lanes.addRows(many(30_000));
    lanes.advance();
    const failed = expect(lanes.finish()).rejects.toThrow('EPERM');
    await held.end(new KernelError('sending', 1));
    expect(held.underWay).toBe(3);
    while (held.underWay > 0) await held.end();
    await failed;
    expect(held.sent.length).toBe(4);
  });

  it.each([0, -5])('leave all alone with a limit of %i', async (limit) => {
    const { transport, sent } = immediate();
    const lanes = new DestroyLanes(transport, { limit });
    lanes.addRows(many(3));
    await lanes.finish();
    expect([sent, lanes.asked.count, lanes.overLimit]).toEqual([[], 0, 3]);
  });

  it('end with the failure of whoever is told of the progress', async () => {
    const { transport } = immediate();
    const onProgress = () => {
      throw new Error('the terminal is gone');
    };
    const lanes = new DestroyLanes(transport, { onProgress });
    lanes.addRows(many(10_000));
    await expect(lanes.finish()).rejects.toThrow('the terminal is gone');
  });

  it('are done at once with nothing', async () => {
    const { transport, sent } = immediate();
    await new DestroyLanes(transport).finish();
    expect(sent).toEqual([]);
  });
});
