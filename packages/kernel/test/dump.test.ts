import { TcpState } from '@lastack/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dumpSockets } from '../src/dump.ts';
import { KernelError } from '../src/errors.ts';
import { endpointHash } from '../src/wire/endpoints.ts';
import { encodeMessage, NlmFlag } from '../src/wire/netlink.ts';
import { DiagTable } from '../src/wire/socket_table.ts';
import { type Step, scriptedTransport } from './support/scripted_transport.ts';

/**
 * struct inet_diag_msg of a real socket and its attributes, recorded on Linux 6.18 x86_64:
 *   python3: s.connect(('127.0.0.1', 7000)); the peer closed; ss -tanoe: CLOSE-WAIT 1 0 127.0.0.1:40000 127.0.0.1:7000
 */
const CLOSE_WAIT_HEX = [
  '02 08 00 00', // family AF_INET, state CLOSE_WAIT, no timer, 0 retransmissions
  '9c 40 1b 58', // 40000, 7000 in network order
  '7f 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00', // 127.0.0.1
  '7f 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00', // 127.0.0.1
  '00 00 00 00', // interface
  '2a 10 00 00 00 00 00 00', // cookie 0x102a
  '00 00 00 00', // expires
  '01 00 00 00', // rqueue
  '00 00 00 00', // wqueue
  '00 00 00 00', // uid
  '39 30 00 00', // inode 12345
  '0c 00 15 00 99 0b 00 00 00 00 00 00', // INET_DIAG_CGROUP_ID 0xb99
  '08 00 0f 00 05 00 00 00', // INET_DIAG_MARK 5
].join(' ');

const bytesOf = (hex: string) => Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));
const socketMessage = (hex = CLOSE_WAIT_HEX, flags = 2, sequence = 1) =>
  encodeMessage(20, flags, sequence, bytesOf(hex));
const done = (errno = 0) => encodeMessage(3, 2, 1, new Uint8Array(new Int32Array([-errno]).buffer));
const error = (errno: number) => encodeMessage(2, 0, 1, new Uint8Array(new Int32Array([-errno, 0, 0, 0, 0]).buffer));
const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

async function dump(steps: readonly Step[]) {
  const table = new DiagTable();
  const incomplete = await dumpSockets(scriptedTransport(steps), { states: 0x3fff }, (words, view, at, end) =>
    table.append(words, view, at, end),
  );
  return { table, incomplete };
}

describe('a dump', () => {
  it('becomes rows', async () => {
    const { table, incomplete } = await dump([join(socketMessage(), socketMessage()), join(socketMessage(), done())]);
    expect(incomplete).toBeUndefined();
    expect(table.count).toBe(3);
    expect({
      state: table.state(2),
      kind: table.kind(2),
      local: `${table.localAddress(2)}:${table.localPort(2)}`,
      remote: `${table.remoteAddress(2)}:${table.remotePort(2)}`,
      cookie: table.cookie(2),
      queues: [table.receiveQueue(2), table.sendQueue(2)],
      inode: table.inode(2),
      cgroupId: table.cgroupId(2),
      mark: table.mark(2),
      info: table.info(2),
    }).toEqual({
      state: TcpState.CLOSE_WAIT,
      kind: 'full',
      local: '127.0.0.1:40000',
      remote: '127.0.0.1:7000',
      cookie: 0x102an,
      queues: [1, 0],
      inode: 12345,
      cgroupId: 0xb99n,
      mark: 5,
      info: undefined,
    });
  });

  it('says that it was interrupted, and keeps what came', async () => {
    const { table, incomplete } = await dump([socketMessage(undefined, 2 | NlmFlag.DUMP_INTR), done()]);
    expect(table.count).toBe(1);
    expect(incomplete).toContain('NLM_F_DUMP_INTR');
  });

  it('goes on after ENOBUFS and says that sockets are missing', async () => {
    const { table, incomplete } = await dump([
      socketMessage(),
      new KernelError('receiving', 105),
      socketMessage(),
      done(),
    ]);
    expect(table.count).toBe(2);
    expect(incomplete).toContain('ENOBUFS');
  });

  it('says so when a datagram was larger than the buffer', async () => {
    const { incomplete } = await dump([{ bytes: socketMessage(), trueLength: 40_000 }, done()]);
    expect(incomplete).toContain('40000');
  });

  it('stops at a message that does not fit, without waiting for more', async () => {
    const broken = socketMessage();
    new DataView(broken.buffer).setUint32(0, 9999, true);
    const { table, incomplete } = await dump([join(socketMessage(), broken)]);
    expect(table.count).toBe(1);
    expect(incomplete).toContain('does not fit');
  });

  it('sees the end behind the messages of a full datagram, and says so when there was none', async () => {
    const full = Array.from({ length: 200 }, () => socketMessage());
    const { table, incomplete } = await dump([join(...full, done())]);
    expect([table.count, incomplete]).toEqual([200, undefined]);
    const falseEnd = socketMessage(`${CLOSE_WAIT_HEX} 14 00 00 00 03 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00`);
    const cut = await dump([join(...full, falseEnd), done()]);
    expect(cut.incomplete).toBe('the dump stopped before its end: sockets are missing');
  });

  it('walks over merely bound sockets on a transport of their own', async () => {
    const requests: number[] = [];
    const over = (steps: Step[]) => {
      const transport = scriptedTransport(steps);
      const send = (bytes: Uint8Array) => requests.push(new DataView(bytes.buffer).getUint32(68, true));
      return { ...transport, send: (bytes: Uint8Array) => void send(bytes), receive: transport.receive };
    };
    const table = new DiagTable();
    const aside = over([socketMessage(), done()]);
    const append = table.append.bind(table);
    const incomplete = await dumpSockets(over([socketMessage(), done()]), { states: 0x3ffe, aside }, append);
    expect([table.count, incomplete]).toEqual([2, undefined]);
    expect(requests).toEqual([0x1ffe, 0x2000]);
    const failing = over([new KernelError('receiving', 12)]);
    const failure = dumpSockets(over([socketMessage(), done()]), { states: 0x3ffe, aside: failing }, append);
    await expect(failure).rejects.toThrow(KernelError);
  });

  it('ignores what answers another request', async () => {
    const { table } = await dump([socketMessage(undefined, 2, 77), join(socketMessage(), done())]);
    expect(table.count).toBe(1);
  });

  it.each([1, 13, 2, 95])('rejects with errno %i of an error reply', async (errno) => {
    const failure = await dump([error(errno)]).catch((reason) => reason);
    expect(failure).toBeInstanceOf(KernelError);
    expect(failure.errno).toBe(errno);
  });

  it('rejects with the errno in the closing message', async () => {
    expect((await dump([done(12)]).catch((reason) => reason)).errno).toBe(12);
  });

  it('rejects when the time limit passes', async () => {
    expect((await dump([new KernelError('receiving a netlink reply', 11)]).catch((reason) => reason)).errno).toBe(11);
  });

  it('is cut at every length: rejected, or known to be incomplete', async () => {
    const [first, last] = [socketMessage(), done()];
    const whole = join(first, last);
    for (let length = 0; length < whole.length; length++) {
      const result = await dump([whole.subarray(0, length), done()]).catch((reason) => reason);
      if (result instanceof KernelError) continue;
      const isBoundary = length === first.length;
      expect([length, result.incomplete === undefined]).toEqual([length, isBoundary]);
    }
  });

  it('takes random bytes: rows, a stated gap or a typed error, never anything else', async () => {
    const messages = fc.array(
      fc.record({
        type: fc.constantFrom(2, 3, 18, 20, 21, 99),
        body: fc.uint8Array({ maxLength: 140 }),
        length: fc.option(fc.integer({ min: 0, max: 400 })),
      }),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(messages, fc.uint8Array({ maxLength: 64 }), async (parts, tail) => {
        const datagram = join(
          ...parts.map(({ type, body, length }) => {
            const message = encodeMessage(type, 2, 1, body);
            if (length !== null) new DataView(message.buffer).setUint32(0, length, true);
            return message;
          }),
          tail,
        );
        try {
          const { table } = await dump([datagram, done(), done()]);
          for (let row = 0; row < table.count; row++) {
            table.localAddress(row);
            table.kind(row);
            table.cgroupId(row);
          }
        } catch (reason) {
          expect(reason).toBeInstanceOf(KernelError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('DiagTable', () => {
  it('keeps rows while it grows, and after some were dropped', async () => {
    const table = new DiagTable();
    const words = new Uint32Array(64);
    const view = new DataView(words.buffer);
    new Uint8Array(words.buffer).set(bytesOf(CLOSE_WAIT_HEX));
    for (let index = 0; index < 5000; index++) {
      view.setUint32(68, index, true);
      table.append(words, view, 0, 92);
    }
    table.retain((row) => row % 7 === 0);
    expect(table.count).toBe(715);
    expect(table.inode(714)).toBe(4998);
    expect(table.mark(714)).toBe(5);
  });

  it('spreads connections that differ in one port over the low bits of the hash', () => {
    const table = new DiagTable();
    const words = new Uint32Array(64);
    const view = new DataView(words.buffer);
    new Uint8Array(words.buffer).set(bytesOf(CLOSE_WAIT_HEX));
    for (let port = 10_000; port < 30_000; port++) {
      view.setUint16(4, port);
      table.append(words, view, 0, 92);
    }
    const slots = new Set(
      Array.from({ length: table.count }, (_, row) => endpointHash(table.raw(), row, true) & 0xffff),
    );
    // Thrown at random, 20,000 balls leave about 17,200 of 65,536 slots hit.
    expect(slots.size).toBeGreaterThan(15_000);
  });
});
