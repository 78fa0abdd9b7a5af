import { describe, expect, it } from 'vitest';
import { KernelError } from './errors.ts';
import { DestroyCode, destroySockets } from './sock_destroy.ts';
import { identityTable, type SocketIdentity } from './socket_identity.ts';
import type { NetlinkTransport } from './transport/transport.ts';

const IDENTITY: SocketIdentity = {
  family: 4,
  state: 6,
  local: { address: '10.1.2.3', port: 0x1234 },
  remote: { address: '192.0.2.99', port: 443 },
  cookie: 0x1122_3344_5566_7788n,
  interfaceIndex: 7,
};
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
const many = (count: number, changed: Partial<SocketIdentity> = {}) =>
  Array.from({ length: count }, (_, index) => ({ ...IDENTITY, cookie: BigInt(index + 1), ...changed }));

interface Request {
  type: number;
  flags: number;
  sequence: number;
  cookie: bigint;
}

function requestsIn(datagram: Uint8Array): Request[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const requests: Request[] = [];
  for (let at = 0; at < datagram.length; at += view.getUint32(at, true)) {
    const isDestroy = view.getUint16(at + 4, true) === 21;
    requests.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      cookie: isDestroy ? view.getBigUint64(at + 64, true) : 0n,
    });
  }
  return requests;
}

function errorReply(sequence: number, errno: number): Uint8Array {
  const bytes = new Uint8Array(36);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, 2, true);
  view.setUint32(8, sequence, true);
  view.setInt32(16, -errno, true);
  return bytes;
}

/** Answers as the kernel does: only failures and what asks for it, up to so many waiting at once; then ENOBUFS. */
function fakeKernel(errnoOf: (request: Request) => number, room = Number.POSITIVE_INFINITY) {
  const waiting: Uint8Array[] = [];
  const sent: Uint8Array[] = [];
  let congested = false;
  let overflow = false;
  const transport: NetlinkTransport = {
    send(datagram) {
      sent.push(datagram.slice());
      for (const request of requestsIn(datagram)) {
        const errno = request.type === 21 ? errnoOf(request) : 0;
        if (errno === 0 && (request.flags & 4) === 0) continue;
        if (congested || waiting.length >= room) {
          overflow ||= !congested;
          congested = true;
        } else waiting.push(errorReply(request.sequence, errno));
      }
    },
    async receive(buffers) {
      if (overflow) {
        overflow = false;
        throw new KernelError('receiving', 105);
      }
      if (waiting.length === 0) throw new Error('this would wait for ever');
      const batch = waiting.splice(0, buffers.length);
      if (waiting.length === 0) congested = false;
      batch.forEach((reply, index) => {
        buffers[index].set(reply);
      });
      return batch.map(({ length }) => length);
    },
    close() {},
  };
  return { transport, sent };
}

describe('SOCK_DESTROY requests', () => {
  it('are struct inet_diag_req_v2 with the cookie, none of which asks for an answer', async () => {
    const { transport, sent } = fakeKernel(() => 0);
    expect([...(await destroySockets(transport, [IDENTITY], { firstSequence: 0x0102_0304 }))]).toEqual([0]);
    const expected = [
      '48 00 00 00 15 00 01 00 04 03 02 01 00 00 00 00', // 72 bytes, type 21, NLM_F_REQUEST, sequence, port id
      '02 06 00 00 ff ff ff ff', // AF_INET, IPPROTO_TCP, ext, pad; all states
      '12 34 01 bb', // ports in network order
      '0a 01 02 03 00 00 00 00 00 00 00 00 00 00 00 00',
      'c0 00 02 63 00 00 00 00 00 00 00 00 00 00 00 00',
      '07 00 00 00', // interface
      '88 77 66 55 44 33 22 11', // cookie, low half first
      '10 00 00 00 01 00 05 00 05 03 02 01 00 00 00 00', // NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK
    ].join(' ');
    expect(sent.map(hex)).toEqual([expected]);
  });

  it('carry IPv6 addresses in full', async () => {
    const { transport, sent } = fakeKernel(() => 0);
    const ends = { local: { address: 'fe80::a', port: 1 }, remote: { address: '::ffff:192.0.2.1', port: 2 } };
    await destroySockets(transport, [{ ...IDENTITY, family: 6, ...ends }]);
    expect(sent[0][16]).toBe(10);
    expect(hex(sent[0].subarray(28, 60))).toBe(
      'fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01',
    );
  });

  it('never go out with a cookie that stands for any socket, or for none', async () => {
    const { transport, sent } = fakeKernel(() => 0);
    const targets = [0n, 0xffff_ffff_ffff_ffffn, 9n].map((cookie) => ({ ...IDENTITY, cookie }));
    const { UNIDENTIFIED, DONE } = DestroyCode;
    expect([...(await destroySockets(transport, targets))]).toEqual([UNIDENTIFIED, UNIDENTIFIED, DONE]);
    expect(sent.flatMap(requestsIn).filter(({ type }) => type === 21)).toMatchObject([{ cookie: 9n }]);
    const nothing = fakeKernel(() => 0);
    expect([...(await destroySockets(nothing.transport, targets.slice(0, 2)))]).toEqual([UNIDENTIFIED, UNIDENTIFIED]);
    expect(nothing.sent).toEqual([]);
  });

  it('are matched with their failures by sequence number, over many batches', async () => {
    const failing = ({ cookie }: Request) => (cookie % 3n === 0n ? 2 : cookie % 7n === 0n ? 1 : 0);
    const { transport, sent } = fakeKernel(failing);
    const batches: number[] = [];
    const codes = await destroySockets(transport, many(1_300), { onBatch: (done) => batches.push(done) });
    expect([...codes]).toEqual(many(1_300).map(({ cookie }) => failing({ cookie } as Request)));
    expect(batches).toEqual([512, 1024, 1300]);
    for (const datagram of sent) expect(datagram.length).toBeLessThanOrEqual(212_960);
  });

  it.each([false, true])('grow to several sends at once while hardly any fail (other thread: %s)', async (hasAside) => {
    const { transport, sent } = fakeKernel(({ cookie }) => (cookie % 5_000n === 0n ? 2 : 0));
    const sendAside = async (datagram: Uint8Array) => transport.send(datagram);
    const batches: number[] = [];
    const onBatch = (done: number) => batches.push(done);
    const codes = await destroySockets(hasAside ? { ...transport, sendAside } : transport, many(40_000), { onBatch });
    expect(batches).toEqual([512, 35_312, 40_000]);
    expect([...codes]).toEqual(many(40_000).map(({ cookie }) => (cookie % 5_000n === 0n ? 2 : 0)));
    const requests = sent.flatMap(requestsIn).filter(({ type }) => type === 21);
    // Each once, in whatever order the threads send.
    const cookies = requests.map(({ cookie }) => Number(cookie)).sort((one, other) => one - other);
    expect(cookies).toEqual(many(40_000).map(({ cookie }) => Number(cookie)));
    // SO_SNDBUF is 212,992 bytes where nobody changed it, 32 of which are the kernel's own.
    for (const datagram of sent) expect(datagram.length).toBeLessThanOrEqual(212_960);
  });

  it('are whole also behind a batch with fewer of them', async () => {
    const { transport, sent } = fakeKernel(() => 0);
    const targets = [...many(500), ...many(12, { cookie: 0n }), ...many(512)];
    const codes = await destroySockets(transport, targets);
    expect(codes.filter((code) => code === DestroyCode.DONE).length).toBe(1_012);
    const requests = sent.flatMap(requestsIn);
    expect(requests.filter(({ type, flags }) => type === 21 && flags === 1).length).toBe(1_012);
    expect(new Set(requests.map(({ sequence }) => sequence)).size).toBe(requests.length);
  });

  it('are none for no sockets', async () => {
    const { transport, sent } = fakeKernel(() => 0);
    expect(await destroySockets(transport, [])).toHaveLength(0);
    expect(sent).toEqual([]);
  });

  it('stop between batches', async () => {
    const { transport } = fakeKernel(() => 0);
    const controller = new AbortController();
    const onBatch = () => controller.abort();
    const codes = await destroySockets(transport, many(600), { signal: controller.signal, onBatch });
    expect([codes[511], codes[512], codes[599]]).toEqual([
      DestroyCode.DONE,
      DestroyCode.NOT_TRIED,
      DestroyCode.NOT_TRIED,
    ]);
  });

  it.each([0, 1, 5, 63, 64, 65, 200, 511, 512])('survive lost answers with room for %i', async (room) => {
    const { transport } = fakeKernel(() => 2, Math.max(1, room));
    const codes = [...(await destroySockets(transport, many(1_000)))];
    const answered = codes.filter((code) => code === 2).length;
    expect(codes.filter((code) => code === DestroyCode.UNKNOWN).length).toBe(1_000 - answered);
    expect(answered).toBeGreaterThanOrEqual(Math.min(room, 512));
  });

  it('reject when the transport fails otherwise', async () => {
    const failing: NetlinkTransport = {
      send: () => undefined,
      receive: () => Promise.reject(new KernelError('receiving', 11)),
      close() {},
    };
    await expect(destroySockets(failing, [IDENTITY])).rejects.toThrow('EAGAIN');
  });

  it('give up on unrelated messages', async () => {
    const stray: NetlinkTransport = {
      send: () => undefined,
      receive: async ([buffer]) => {
        buffer.set(errorReply(1, 0));
        return [36];
      },
      close() {},
    };
    await expect(destroySockets(stray, [IDENTITY], { firstSequence: 100 })).rejects.toThrow('unrelated');
  });
});

describe('identities', () => {
  it.each(['::', '::1', '1::', 'fe80::1:2', '2001:db8:1:2:3:4:5:6', '::ffff:10.0.0.1'])('%s survives', (address) => {
    const end = { address, port: 5 };
    const table = identityTable([{ ...IDENTITY, family: 6, local: end, remote: end }]);
    expect([table.localAddress(0), table.remoteAddress(0), table.cookie(0)]).toEqual([
      address,
      address,
      IDENTITY.cookie,
    ]);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.-0',
    '01.2.3.4',
    '1.2.3.4.5',
    '1.2. 3.4',
    '1.2.3.1e1',
    ':::',
    '1::2::3',
    '1:2:3',
    'g::1',
    '1:2:3:4:5:6:7:8:9',
  ])('%j is refused', (text) => {
    for (const family of [4, 6] as const) {
      const identity = { ...IDENTITY, family, local: { address: text, port: 1 } };
      expect(() => identityTable([identity])).toThrow(RangeError);
    }
  });
});
