import { STATES_IN_ORDER } from '@lastack/core';
import { z } from 'zod';

// What several documents have in common. Objects are strict: a key that is not described here is a mistake. An absent
// key means "not known", never 0.

export const count = () => z.int().nonnegative();
export const ms = () => z.number().nonnegative();
export const text = () => z.string().min(1);

const State = z
  .union([z.enum(STATES_IN_ORDER), z.string().regex(/^STATE_\d+$/)])
  .meta({ id: 'State', description: 'Name of the state; STATE_n for a number that this version does not know.' });

const Endpoint = z
  .strictObject({
    address: text().describe('Without brackets or zone; the unspecified address where there is no other end.'),
    port: z.int().min(0).max(65_535),
  })
  .meta({ id: 'Endpoint' });

export const Owner = z
  .strictObject({
    pid: z.int().positive(),
    command: z.string(),
    fd: count(),
    unit: text().optional().describe('systemd unit, when the cgroup names one.'),
    container: text().optional().describe('Container or pod, when the cgroup names one.'),
  })
  .meta({ id: 'Owner', description: 'A process that holds the socket, and the descriptor by which it does.' });

export const Forecast = z
  .strictObject({
    kind: z
      .enum(['at', 'when', 'never', 'unknown'])
      .describe(
        'at: between the two times; when: an event decides, and the times, if any, hold for the case that nothing more is heard; never: nothing that runs now will end it; unknown: because says what is missing.',
      ),
    earliestMs: ms().optional(),
    latestMs: ms().optional(),
    because: text(),
    modes: z
      .array(z.strictObject({ earliestMs: ms(), latestMs: ms() }))
      .min(2)
      .optional()
      .describe('Where the truth is one of several separate times: each of them, in order.'),
  })
  .meta({
    id: 'Forecast',
    description: 'When the socket goes away by itself: milliseconds from `at` of the document.',
  });

export const socketFields = {
  netns: text().describe('The network namespace: host, a name of ip netns, a container, a unit, or netns-INODE.'),
  family: z.enum(['inet', 'inet6']),
  state: State,
  kind: z
    .enum(['full', 'orphan', 'unaccepted', 'minisocket', 'request'])
    .describe(
      'full: held; orphan: no process holds it any more; unaccepted: in the queue of its listener; minisocket: the stand-in for TIME_WAIT and orphaned FIN_WAIT2; request: half open.',
    ),
  local: Endpoint,
  remote: Endpoint,
  recvQueueBytes: count().describe('Not read; a received FIN counts as one. Of a listener: connections to accept.'),
  sendQueueBytes: count().describe('Not acknowledged; an unacknowledged FIN counts as one. Of a listener: its limit.'),
  timer: z
    .strictObject({
      kind: z.enum(['retransmit', 'keepalive', 'time-wait', 'zero-window-probe']),
      expiresMs: count(),
      retries: count(),
    })
    .optional()
    .describe('The kernel timer that runs; absent when none does.'),
  forecast: Forecast.optional(),
  inode: count().describe('0: no process has a descriptor of it.'),
  uid: count(),
  cookie: z
    .string()
    .regex(/^[0-9a-f]+$/)
    .describe('Hexadecimal; identifies the socket for as long as the host runs.'),
  owners: z.array(Owner),
  interfaceIndex: z.int().positive().optional().describe('The interface it is bound to.'),
  mark: count().optional().describe('SO_MARK; only with CAP_NET_ADMIN.'),
  cgroupId: z.string().regex(/^\d+$/).optional().describe('cgroup v2 id, decimal.'),
  conntrack: z
    .strictObject({
      state: text().optional(),
      timeoutMs: count().optional(),
      id: count().optional(),
      zone: count().optional(),
      mark: count().optional(),
    })
    .optional()
    .describe("The firewall's entry for the connection; only with `ls --conntrack`."),
};

export const Socket = z.strictObject(socketFields).meta({ id: 'Socket' });

export const SocketWithPeer = z
  .strictObject({ ...socketFields, peer: Socket.optional().describe('The other end, where it is visible.') })
  .meta({ id: 'SocketWithPeer' });

export const Note = z
  .strictObject({
    what: text(),
    because: text(),
    todo: text().optional().describe('What would allow it.'),
    incomplete: z.boolean().describe('Whether sockets may be missing because of it.'),
  })
  .meta({ id: 'Note', description: 'Something that could not be seen.' });

export const Evidence = z
  .strictObject({ fact: text(), value: z.union([z.string(), z.number()]), source: text() })
  .meta({ id: 'Evidence', description: 'A fact, its value, and where it was read.' });

export const Age = z.strictObject({ from: ms(), to: ms().optional() }).meta({
  id: 'Age',
  description: 'Bounds on the time spent in the state, milliseconds; no `to`: no upper bound is known.',
});

export const Remedy = z.strictObject({
  id: text(),
  what: text(),
  command: text().optional().describe('Complete; lastack itself does not run it.'),
  cost: text().optional(),
});

export const Finding = z
  .strictObject({
    rule: text().describe('Name of the rule; it has a page in docs/rules.'),
    blame: z.enum(['local-app', 'peer-app', 'peer-host', 'path', 'peer-host or path', 'kernel-setting', 'nobody']),
    severity: z.enum(['critical', 'warning', 'notice']),
    count: count(),
    title: text(),
    cause: text(),
    wouldTell: text().optional().describe('What would settle it, where cause or blame could not be told.'),
    netns: text(),
    ageMs: Age.optional(),
    evidence: z.array(Evidence),
    forecast: Forecast,
    remedies: z.array(Remedy),
    sockets: z.array(SocketWithPeer).max(1000).describe('At most 1,000 of the `count` sockets.'),
  })
  .meta({ id: 'Finding' });

export const Capability = z
  .strictObject({
    id: text(),
    what: text(),
    available: z.boolean(),
    because: text(),
    todo: text().optional().describe('What would allow it.'),
  })
  .meta({ id: 'Capability', description: 'Something that this kernel and this user permit, or do not.' });

export const head = {
  host: text(),
  kernel: text().describe('As `uname -r` prints it.'),
  at: z.iso.datetime().describe('When the sockets were read.'),
  complete: z.boolean().describe('False when sockets may be missing; `notes` says why.'),
  notes: z.array(Note),
};

/** Without `meta`: the documents that hold them have them inline. */
export const SocketOptions = z.strictObject({
  userTimeoutMs: ms(),
  keepalive: z.boolean(),
  keepaliveIdleSeconds: z.number(),
  keepaliveIntervalSeconds: z.number(),
  keepaliveProbes: z.int(),
  linger2Seconds: z.number().describe('-1: no FIN_WAIT2 at all.'),
  synCount: z.int(),
  rtoMaxMs: ms().optional(),
});

export const OutcomeEndpoint = z.strictObject({ address: text(), port: count() });

export const OutcomeSocket = z.strictObject({
  netns: text(),
  family: z.enum(['inet', 'inet6']),
  state: text(),
  kind: text(),
  local: OutcomeEndpoint,
  remote: OutcomeEndpoint,
  cookie: z.string().regex(/^[0-9a-f]+$/),
  owners: z.array(z.strictObject({ pid: z.int().positive(), command: z.string(), fd: count() })),
  rule: text().optional().describe('The rule that found it stuck, if one did.'),
});
