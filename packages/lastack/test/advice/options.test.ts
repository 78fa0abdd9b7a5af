import { setTimeout as sleep } from 'node:timers/promises';
import { pair, routed } from '@lastack/lab';
import { describe, expect } from 'vitest';
import { clientSide, connections, finish } from '../../../lab/src/connection.ts';
import { missingNamespaces } from '../support/privileged.ts';
import { check, cutBoth, inLab, python, seen, stateOf, untilState } from './check.ts';

/** A timer fires late, by up to an eighth, and the machine may be busy. */
const SLACK_MS = 5_000;
const IMPATIENT = { SO_KEEPALIVE: 1, TCP_KEEPIDLE: 1, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 2 };

describe.skipIf(missingNamespaces() !== undefined)('verdicts on socket options, on this kernel', () => {
  check('linger-zero-loses-data', 'the peer gets less than was written, and ECONNRESET', () =>
    inLab(async (lab) => {
      const actor = await lab.namespace('lab-alone');
      interface Delivery {
        written: number;
        received: number;
        error: string | null;
      }
      const { abrupt, orderly } = await python<{ abrupt: Delivery; orderly: Delivery }>(actor, LINGER);
      expect(orderly).toEqual({ written: orderly.written, received: orderly.written, error: null });
      expect(abrupt.error).toBe('ECONNRESET');
      expect(abrupt.received).toBeLessThan(abrupt.written);
    }),
  );

  check('reuseaddr-binds-and-closes-nothing', 'bind() succeeds with it, and the TIME_WAIT stays', () =>
    inLab(async (lab) => {
      const actor = await lab.namespace('lab-alone');
      const tried = await python<Record<string, string | number>>(actor, TIME_WAIT_BIND, 'SO_REUSEADDR');
      expect(tried).toEqual({
        before: 1,
        plain: 'EADDRINUSE',
        with: 'ok',
        after: 1,
        beside_listener: 'EADDRINUSE',
        old_without: 'EADDRINUSE',
      });
    }),
  );

  check('reuseport-shares-and-closes-nothing', 'among those that all set it', () =>
    inLab(async (lab) => {
      const actor = await lab.namespace('lab-alone');
      expect(await python(actor, SHARED_PORT)).toEqual({
        both: 'ok',
        only_second: 'EADDRINUSE',
        only_first: 'EADDRINUSE',
      });
    }),
  );

  check(
    'keepalive-ends-idle-not-fin-wait-1',
    'a vanished peer is noticed when idle; a FIN in flight waits its full time',
    () =>
      inLab(async (lab) => {
        const world = await routed(lab, 4);
        const all = await connections(world, 3, { client: IMPATIENT });
        const [idle, held, orphan] = clientSide(world, all);
        await cutBoth(world);
        await finish(world.client, [all[1].clientFd], 'shutdown');
        await finish(world.client, [all[2].clientFd], 'close');
        expect(await untilState(world.client, idle, undefined)).toBeLessThan(10_000);
        await sleep(4_000);
        expect(await seen(world.client, held)).toMatchObject({ state: 'FIN_WAIT1', timer: { kind: 'retransmit' } });
        expect(await seen(world.client, orphan)).toMatchObject({ state: 'FIN_WAIT1', timer: { kind: 'retransmit' } });
      }),
  );

  check('user-timeout-ends-fin-wait-1', 'also of an orphan; an idle connection stays', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const bounded = await connections(world, 2, { client: { TCP_USER_TIMEOUT: 2_000 } });
      const plain = await connections(world, 1);
      const [orphan, idle, other] = clientSide(world, [...bounded, ...plain]);
      await cutBoth(world);
      await finish(world.client, [bounded[0].clientFd, plain[0].clientFd], 'close');
      const tookMs = await untilState(world.client, orphan, undefined);
      expect(tookMs).toBeGreaterThan(1_500);
      expect(tookMs).toBeLessThan(2_000 * 1.13 + SLACK_MS);
      expect(await stateOf(world.client, other)).toBe('FIN_WAIT1');
      expect(await stateOf(world.client, idle)).toBe('ESTABLISHED');
    }),
  );

  check('linger2-bounds-fin-wait-2', 'of its own socket, with the same surprise above 60', () =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      const [five] = await connections(world, 1, { client: { TCP_LINGER2: 5 } });
      const [sixtyOne] = await connections(world, 1, { client: { TCP_LINGER2: 61 } });
      const [plain] = await connections(world, 1);
      const pairs = clientSide(world, [five, sixtyOne, plain]);
      const closed = performance.now();
      await finish(world.client, [five.clientFd, sixtyOne.clientFd, plain.clientFd], 'close');
      const lastsMs = async (which: number) => {
        await untilState(world.client, pairs[which], undefined);
        return performance.now() - closed;
      };
      const [fiveMs, sixtyOneMs] = await Promise.all([lastsMs(0), lastsMs(1)]);
      expect(fiveMs).toBeGreaterThan(5_000);
      expect(fiveMs).toBeLessThan(5_000 * 1.13 + SLACK_MS);
      expect(sixtyOneMs).toBeGreaterThan(2_000);
      expect(sixtyOneMs).toBeLessThan(2_000 * 1.13 + SLACK_MS);
      expect(await stateOf(world.client, pairs[2])).toBe('FIN_WAIT2');
    }),
  );
});

/** Writes until nothing fits any more, closes, and only then reads. */
const LINGER = `
import errno, json, select, socket, struct
def deliver(linger):
    listener = socket.create_server(('127.0.0.1', 0))
    sender = socket.create_connection(listener.getsockname())
    reader, _ = listener.accept()
    sender.setblocking(False)
    written = 0
    # Until the buffers on both sides are full.
    while select.select([], [sender], [], 0.3)[1]:
        try: written += sender.send(b'x' * 65536)
        except BlockingIOError: pass
    if linger is not None: sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    sender.close()
    received, error = 0, None
    reader.settimeout(10)
    try:
        while chunk := reader.recv(65536): received += len(chunk)
    except OSError as problem: error = errno.errorcode.get(problem.errno)
    return {'written': written, 'received': received, 'error': error}
print(json.dumps({'abrupt': deliver(struct.pack('ii', 1, 0)), 'orderly': deliver(None)}))
`;

/** A server that closed first, and who may bind its port then. */
const TIME_WAIT_BIND = `
import errno, json, socket, subprocess, sys
option = getattr(socket, sys.argv[1])
def listener(port, *options):
    s = socket.socket()
    for each in options: s.setsockopt(socket.SOL_SOCKET, each, 1)
    try:
        s.bind(('127.0.0.1', port))
        s.listen()
    except OSError as problem:
        s.close()
        return errno.errorcode[problem.errno], None
    return 'ok', s
def waiting(port):
    out = subprocess.run(['ss', '-Htan', 'state', 'time-wait', 'sport', '=', ':%d' % port], capture_output=True, text=True)
    return len(out.stdout.splitlines())
def closed_by_server(first):
    client = socket.create_connection(first.getsockname())
    served, _ = first.accept()
    served.shutdown(socket.SHUT_WR); client.recv(1); client.close(); served.recv(1); served.close()
_, first = listener(0, option)
port = first.getsockname()[1]
closed_by_server(first)
result = {'beside_listener': listener(port, option)[0]}
first.close()
result['before'] = waiting(port)
result['plain'] = listener(port)[0]
result['with'], again = listener(port, option)
result['after'] = waiting(port)
_, other = listener(0)
other_port = other.getsockname()[1]
closed_by_server(other)
other.close()
result['old_without'] = listener(other_port, option)[0]
print(json.dumps(result))
`;

const SHARED_PORT = `
import errno, json, socket
def tried(first_options, second_options):
    first, second = socket.socket(), socket.socket()
    for s, options in (first, first_options), (second, second_options):
        for each in options: s.setsockopt(socket.SOL_SOCKET, each, 1)
    first.bind(('127.0.0.1', 0)); first.listen()
    try:
        second.bind(first.getsockname()); second.listen()
        return 'ok'
    except OSError as problem: return errno.errorcode[problem.errno]
shared = [socket.SO_REUSEPORT]
print(json.dumps({'both': tried(shared, shared), 'only_second': tried([], shared), 'only_first': tried(shared, [])}))
`;
