import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withNamespace } from '../src/netns/enter.ts';
import { pathEvidence, type RouteAnswer } from '../src/netns/path.ts';
import { loadLibc } from '../src/sys/libc.ts';
import { openNetlink } from '../src/transport/real.ts';
import { NetlinkProtocol, type NetlinkTransport } from '../src/transport/transport.ts';
import {
  decodeLink,
  decodeNeighbour,
  decodeRoute,
  type Link,
  linkDumpRequest,
  type Neighbour,
  neighbourDumpRequest,
  type RouteQuery,
  routeRequest,
} from '../src/wire/rtnetlink.ts';
import { MAY_MAKE_NAMESPACES, makeNamespace, type TestNamespace } from './fixtures/proc/namespace.ts';

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const libc = loadLibc();

/** Sends one request and returns the messages of the reply, up to DONE for dumps. Closes the transport. */
async function ask(transport: NetlinkTransport, request: Uint8Array, dump: boolean): Promise<Buffer[]> {
  const buffer = Buffer.alloc(65_536);
  const messages: Buffer[] = [];
  try {
    transport.send(request);
    for (let datagrams = 0; datagrams < 100; datagrams++) {
      const [length] = await transport.receive([buffer]);
      for (let at = 0; at < length; ) {
        const size = buffer.readUInt32LE(at);
        messages.push(Buffer.from(buffer.subarray(at, at + size)));
        if (buffer.readUInt16LE(at + 4) === NLMSG_DONE) return messages.slice(0, -1);
        at += (size + 3) & ~3;
      }
      if (!dump) return messages;
    }
  } finally {
    transport.close();
  }
  throw new Error('the dump did not end');
}

function answerOf(message: Buffer): RouteAnswer {
  if (message.readUInt16LE(4) === NLMSG_ERROR) return { errno: -message.readInt32LE(16) };
  return { route: decodeRoute(message) };
}

function bytesOf(address: string): Uint8Array {
  if (!address.includes(':')) return Uint8Array.from(address.split('.').map(Number));
  const [head, tail = ''] = address.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}

describe.runIf(MAY_MAKE_NAMESPACES)('routes, neighbours and links against ip(8)', () => {
  let space: TestNamespace;

  function open(): NetlinkTransport {
    const target = { path: space.path, label: 'test' };
    const result = withNamespace(target, libc, () => openNetlink(libc, NetlinkProtocol.ROUTE));
    if (!result.ok) throw new Error(result.note.because);
    return result.value;
  }

  const ip = (...words: string[]) => space.run('ip', ...words);
  const json = (...words: string[]) => JSON.parse(ip('-j', ...words)) as Record<string, unknown>[];
  const links = async () => (await ask(open(), linkDumpRequest(1), true)).map(decodeLink);
  const neighbours = async () => {
    const entries = (await ask(open(), neighbourDumpRequest(1), true)).map(decodeNeighbour);
    return entries.filter((entry) => entry !== undefined);
  };
  const askRoute = async (query: Omit<RouteQuery, 'sequence'>) =>
    answerOf((await ask(open(), routeRequest({ sequence: 1, ...query }), false))[0]);
  const route = (address: string) => askRoute({ destination: bytesOf(address) });

  beforeAll(async () => {
    space = await makeNamespace();
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'alpha', 'type', 'veth', 'peer', 'name', 'beta');
    ip('link', 'add', 'gamma', 'type', 'veth', 'peer', 'name', 'delta');
    for (const device of ['alpha', 'beta', 'gamma']) ip('link', 'set', device, 'up');
    ip('addr', 'add', '192.0.2.1/24', 'dev', 'alpha');
    ip('-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'alpha', 'nodad');
    ip('addr', 'add', '198.51.100.1/24', 'dev', 'gamma');
    ip('route', 'add', '203.0.113.0/25', 'via', '192.0.2.9');
    ip('-6', 'route', 'add', '2001:db8:1::/64', 'via', '2001:db8::9');
    ip('route', 'add', '203.0.113.128/26', 'via', 'inet6', '2001:db8::9', 'dev', 'alpha');
    ip('route', 'add', 'blackhole', '10.1.0.0/16');
    ip('route', 'add', 'unreachable', '10.2.0.0/16');
    ip('route', 'add', 'prohibit', '10.3.0.0/16');
    ip('-6', 'route', 'add', 'blackhole', '2001:db8:2::/64');
    ip('-6', 'route', 'add', 'unreachable', '2001:db8:3::/64');
    ip('-6', 'route', 'add', 'prohibit', '2001:db8:4::/64');
    ip('neigh', 'add', '192.0.2.9', 'lladdr', '02:00:00:00:00:09', 'nud', 'permanent', 'dev', 'alpha');
    ip('neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'nud', 'stale', 'dev', 'alpha');
    ip('-6', 'neigh', 'add', '2001:db8::9', 'lladdr', '02:00:00:00:00:09', 'nud', 'permanent', 'dev', 'alpha');
    ip('-6', 'neigh', 'add', '2001:db8::2', 'lladdr', '02:00:00:00:00:02', 'nud', 'noarp', 'dev', 'alpha');
  });
  afterAll(() => space.remove());

  it('reads links as ip does', async () => {
    const expected = json('link').map((entry) => ({
      index: entry.ifindex,
      name: entry.ifname,
      up: (entry.flags as string[]).includes('UP'),
      operationalState: String(entry.operstate).toLowerCase(),
    }));
    const decoded: Link[] = await links();
    expect(decoded.map(({ carrier, ...rest }) => rest)).toEqual(expected);
    expect(decoded.find(({ name }) => name === 'alpha')?.carrier).toBe(true);
    expect(decoded.find(({ name }) => name === 'gamma')?.carrier).toBe(false);
  });

  it('reads neighbours as ip does', async () => {
    const expected = json('neigh', 'show', 'nud', 'all').map(
      ({ dst, state }) => `${dst} ${(state as string[]).join('|')}`,
    );
    const decoded: Neighbour[] = await neighbours();
    // ip leaves out what the kernel keeps for its own multicast groups only when not asked for all states.
    expect(decoded.map(({ address, state }) => `${address} ${state}`).sort()).toEqual(expected.sort());
    expect(expected.length).toBeGreaterThanOrEqual(4);
  });

  it.each([
    '192.0.2.2',
    '203.0.113.5',
    '203.0.113.130',
    '192.0.2.1',
    '127.0.0.1',
    '2001:db8::2',
    '2001:db8:1::5',
    '::1',
  ])('finds the route to %s that ip finds', async (address) => {
    const [expected] = json('route', 'get', address);
    const answer = await route(address);
    const via = expected.via as { host?: string } | undefined;
    if ('errno' in answer) return expect.fail(`errno ${answer.errno}`);
    expect(answer.route.type).toBe(expected.type ?? 'unicast');
    expect(answer.route.gateway).toBe(expected.gateway ?? via?.host);
    expect(answer.route.preferredSource).toBe(expected.prefsrc);
    const devices = await links();
    expect(devices.find((link) => link.index === answer.route.outputInterface)?.name).toBe(expected.dev);
  });

  it.each([
    ['192.0.2.2', { route: 'on-link', device: 'alpha', carrier: true, neighbour: 'STALE' }],
    ['192.0.2.77', { route: 'on-link', device: 'alpha', carrier: true }],
    ['198.51.100.2', { route: 'on-link', device: 'gamma', carrier: false }],
    ['203.0.113.5', { route: 'gateway', gateway: '192.0.2.9', device: 'alpha', carrier: true, neighbour: 'PERMANENT' }],
    [
      '203.0.113.130',
      { route: 'gateway', gateway: '2001:db8::9', device: 'alpha', carrier: true, neighbour: 'PERMANENT' },
    ],
    ['192.0.2.1', { route: 'local', device: 'lo', carrier: true }],
    ['10.1.0.1', { route: 'blackhole' }],
    ['10.2.0.1', { route: 'blackhole' }],
    ['10.3.0.1', { route: 'blackhole' }],
    ['8.8.8.8', { route: 'none' }],
    ['2001:db8::2', { route: 'on-link', device: 'alpha', carrier: true, neighbour: 'NOARP' }],
    [
      '2001:db8:1::5',
      { route: 'gateway', gateway: '2001:db8::9', device: 'alpha', carrier: true, neighbour: 'PERMANENT' },
    ],
    ['2001:db8:2::5', { route: 'blackhole' }],
    ['2001:db8:3::5', { route: 'blackhole' }],
    ['2001:db8:4::5', { route: 'blackhole' }],
    ['2001:db8:5::5', { route: 'none' }],
    ['::1', { route: 'local', device: 'lo', carrier: true }],
  ])('says how packets to %s leave', async (address, expected) => {
    const [answer, known, devices] = await Promise.all([route(address), neighbours(), links()]);
    const facts = { answer, destination: address, neighbours: known, links: devices };
    expect(pathEvidence(facts)).toEqual(expected);
  });

  it('asks for a link-local address on one device', async () => {
    const alpha = (await links()).find(({ name }) => name === 'alpha')!;
    const query = { destination: bytesOf('fe80::5'), interfaceIndex: alpha.index };
    const answer = await askRoute(query);
    expect(answer).toMatchObject({ route: { type: 'unicast', outputInterface: alpha.index } });
  });
});
