import { TcpState } from '@lastack/core';
import type { Actor, SocketOptionValues, World } from '@lastack/lab';
import { eventually } from './eventually.ts';

/** A socket of the server's host on a port, and what state it is to reach. */
export interface Staged {
  name: string;
  port: number;
  /** As lastack names it. */
  state: string;
}

/** Where the server listens, and with what. */
export interface Stand {
  world: World;
  /** `::` for dual-stack. */
  listenAddress: string;
  options: SocketOptionValues;
}

interface Pair {
  server: number;
  client: number;
}

const LIMIT_MS = 20_000;

/** One connection to the port, its listener gone again. */
async function connection({ world, listenAddress, options }: Stand, port: number): Promise<Pair> {
  const listener = await world.server.call('listen', { at: { address: listenAddress, port }, backlog: 8, options });
  const to = { address: world.serverAddress, port };
  const { fd } = await world.client.call('connect', { to, limitMs: LIMIT_MS });
  const accepted = await world.server.call('accept', { fd: listener.fd, limitMs: LIMIT_MS });
  await world.server.call('close', { fds: [listener.fd] });
  return { server: accepted.fd, client: fd };
}

const shut = (actor: Actor, fd: number) => actor.call('shutdown', { fd, how: 'write' });
const close = (actor: Actor, fd: number) => actor.call('close', { fds: [fd] });

interface Recipe {
  name: string;
  state: keyof typeof TcpState;
  /** While packets pass. Gives the port where the kernel chose it. */
  before(stand: Stand, port: number): Promise<Pair | number | undefined>;
  /** While what the server sends is lost. */
  after?(stand: Stand, pair: Pair, port: number): Promise<unknown>;
}

type End = (actor: Actor, fd: number) => Promise<unknown>;

/** A connection to the port that one or both ends have ended, in this order. */
function ended(...ends: readonly (readonly [keyof Pair, End])[]) {
  return async (stand: Stand, port: number): Promise<Pair> => {
    const pair = await connection(stand, port);
    for (const [who, end] of ends) await end(stand.world[who], pair[who]);
    return pair;
  };
}

/** The server's host as the client: a connection to a listener of the other host. */
async function outgoing({ world }: Stand): Promise<{ fd: number; port: number; accepted: number }> {
  const at = { address: world.clientAddress, port: 0 };
  const listener = await world.client.call('listen', { at, backlog: 8 });
  const to = { ...at, port: listener.port };
  const { fd, port } = await world.server.call('connect', { to, limitMs: LIMIT_MS });
  const accepted = await world.client.call('accept', { fd: listener.fd, limitMs: LIMIT_MS });
  return { fd, port, accepted: accepted.fd };
}

/** Every state in which a socket can have a port. */
const RECIPES: readonly Recipe[] = [
  {
    name: 'BOUND',
    state: 'BOUND_INACTIVE',
    before: async ({ world, listenAddress, options }, port) => {
      await world.server.call('bind', { at: { address: listenAddress, port }, options });
      return undefined;
    },
  },
  {
    name: 'LISTEN',
    state: 'LISTEN',
    before: async ({ world, listenAddress, options }, port) => {
      await world.server.call('listen', { at: { address: listenAddress, port }, backlog: 8, options });
      return undefined;
    },
  },
  { name: 'ESTABLISHED', state: 'ESTABLISHED', before: connection },
  {
    name: 'ESTABLISHED, outgoing',
    state: 'ESTABLISHED',
    before: async (stand) => (await outgoing(stand)).port,
  },
  {
    name: 'CLOSE_WAIT',
    state: 'CLOSE_WAIT',
    before: ended(['client', shut]),
  },
  {
    name: 'FIN_WAIT2, held',
    state: 'FIN_WAIT2',
    before: ended(['server', shut]),
  },
  {
    name: 'FIN_WAIT2, orphan',
    state: 'FIN_WAIT2',
    before: ended(['server', close]),
  },
  {
    name: 'TIME_WAIT',
    state: 'TIME_WAIT',
    before: ended(['server', close], ['client', close]),
  },
  {
    name: 'TIME_WAIT, outgoing',
    state: 'TIME_WAIT',
    before: async (stand) => {
      const { fd, port, accepted } = await outgoing(stand);
      await close(stand.world.server, fd);
      await close(stand.world.client, accepted);
      return port;
    },
  },
  {
    name: 'FIN_WAIT1, held',
    state: 'FIN_WAIT1',
    before: connection,
    after: ({ world }, { server }) => shut(world.server, server),
  },
  {
    name: 'FIN_WAIT1, orphan',
    state: 'FIN_WAIT1',
    before: connection,
    after: ({ world }, { server }) => close(world.server, server),
  },
  ...(['held', 'orphan'] as const).map(
    (ending): Recipe => ({
      name: `LAST_ACK, ${ending}`,
      state: 'LAST_ACK',
      before: ended(['client', shut]),
      after: ({ world }, { server }) => (ending === 'held' ? shut : close)(world.server, server),
    }),
  ),
  ...(['held', 'orphan'] as const).map(
    (ending): Recipe => ({
      name: `CLOSING, ${ending}`,
      state: 'CLOSING',
      before: connection,
      after: async ({ world }, { server, client }) => {
        await (ending === 'held' ? shut : close)(world.server, server);
        await shut(world.client, client);
      },
    }),
  ),
  {
    name: 'SYN_SENT',
    state: 'SYN_SENT',
    before: async () => undefined,
    after: async ({ world, options }, _pair, port) => {
      const from = { address: world.serverAddress, port };
      const to = { address: world.clientAddress, port: 9 };
      await world.server.call('connect', { to, from, limitMs: 0, options });
    },
  },
];

/** How many ports of each state are staged: they are alike. */
export async function stagePorts(stand: Stand, firstPort: number, copies: number): Promise<Map<Recipe, Staged[]>> {
  const staged = new Map<Recipe, Staged[]>();
  const pairs: { recipe: Recipe; pair: Pair; port: number }[] = [];
  let next = firstPort;
  for (const recipe of RECIPES) {
    const all: Staged[] = [];
    for (let copy = 0; copy < copies; copy++) {
      const wanted = next++;
      const made = await recipe.before(stand, wanted);
      const port = typeof made === 'number' ? made : wanted;
      const pair = typeof made === 'object' ? made : { server: -1, client: -1 };
      pairs.push({ recipe, pair, port });
      all.push({ name: recipe.name, port, state: recipe.state });
    }
    staged.set(recipe, all);
  }
  await stand.world.cut?.('to-client');
  for (const { recipe, pair, port } of pairs) await recipe.after?.(stand, pair, port);
  await settle(
    stand,
    [...staged].flatMap(([recipe, all]) => all.map(({ port }) => ({ port, recipe }))),
  );
  return staged;
}

/** By /proc/net/tcp; what is only bound is not in it. */
async function settle({ world }: Stand, wanted: readonly { port: number; recipe: Recipe }[]): Promise<void> {
  const visible = wanted.filter(({ recipe }) => recipe.state !== 'BOUND_INACTIVE');
  const read = async () => {
    const both = await Promise.all(([4, 6] as const).map((family) => world.server.call('sockets', { family })));
    const stateOf = new Map(both.flat().map(({ local, state }) => [local.port, state]));
    return visible
      .filter(({ port, recipe }) => stateOf.get(port) !== TcpState[recipe.state])
      .map(({ recipe }) => recipe.name);
  };
  await eventually(read, (missing) => missing.length === 0);
}
