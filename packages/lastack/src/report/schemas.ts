import { NAME_SYSTEMS, STATES_IN_ORDER } from '@lastack/core';
import { z } from 'zod';

// The one description of every JSON document that lastack prints. `npm run schemas` writes it out as JSON Schema; the
// tests hold real output against it. Only they load it: the command itself does not carry zod.
// Objects are strict: a key that is not described here is a mistake. An absent key means "not known", never 0.

const count = () => z.int().nonnegative();
const ms = () => z.number().nonnegative();
const text = () => z.string().min(1);

const State = z
  .union([z.enum(STATES_IN_ORDER), z.string().regex(/^STATE_\d+$/)])
  .meta({ id: 'State', description: 'Name of the state; STATE_n for a number that this version does not know.' });

const Endpoint = z
  .strictObject({
    address: text().describe('Without brackets or zone; the unspecified address where there is no other end.'),
    port: z.int().min(0).max(65_535),
  })
  .meta({ id: 'Endpoint' });

const Owner = z
  .strictObject({
    pid: z.int().positive(),
    command: z.string(),
    fd: count(),
    unit: text().optional().describe('systemd unit, when the cgroup names one.'),
    container: text().optional().describe('Container or pod, when the cgroup names one.'),
  })
  .meta({ id: 'Owner', description: 'A process that holds the socket, and the descriptor by which it does.' });

const Forecast = z
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
  .meta({ id: 'Forecast', description: 'When the socket goes away by itself: milliseconds from `at` of the document.' });

const socketFields = {
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
  cookie: z.string().regex(/^[0-9a-f]+$/).describe('Hexadecimal; identifies the socket for as long as the host runs.'),
  owners: z.array(Owner),
  interfaceIndex: z.int().positive().optional().describe('The interface it is bound to.'),
  mark: count().optional().describe('SO_MARK; only with CAP_NET_ADMIN.'),
  cgroupId: z.string().regex(/^\d+$/).optional().describe('cgroup v2 id, decimal.'),
};

export const Socket = z.strictObject(socketFields).meta({ id: 'Socket' });

const SocketWithPeer = z
  .strictObject({ ...socketFields, peer: Socket.optional().describe('The other end, where it is visible.') })
  .meta({ id: 'SocketWithPeer' });

const Note = z
  .strictObject({
    what: text(),
    because: text(),
    todo: text().optional().describe('What would allow it.'),
    incomplete: z.boolean().describe('Whether sockets may be missing because of it.'),
  })
  .meta({ id: 'Note', description: 'Something that could not be seen.' });

const Evidence = z
  .strictObject({ fact: text(), value: z.union([z.string(), z.number()]), source: text() })
  .meta({ id: 'Evidence', description: 'A fact, its value, and where it was read.' });

const Age = z
  .strictObject({ from: ms(), to: ms().optional() })
  .meta({ id: 'Age', description: 'Bounds on the time spent in the state, milliseconds; no `to`: no upper bound is known.' });

const Finding = z
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
    remedies: z.array(
      z.strictObject({
        id: text(),
        what: text(),
        command: text().optional().describe('Complete; lastack itself does not run it.'),
        cost: text().optional(),
      }),
    ),
    sockets: z.array(SocketWithPeer).max(1000).describe('At most 1,000 of the `count` sockets.'),
  })
  .meta({ id: 'Finding' });

const Capability = z
  .strictObject({
    id: text(),
    what: text(),
    available: z.boolean(),
    because: text(),
    todo: text().optional().describe('What would allow it.'),
  })
  .meta({ id: 'Capability', description: 'Something that this kernel and this user permit, or do not.' });

const head = {
  host: text(),
  kernel: text().describe('As `uname -r` prints it.'),
  at: z.iso.datetime().describe('When the sockets were read.'),
  complete: z.boolean().describe('False when sockets may be missing; `notes` says why.'),
  notes: z.array(Note),
};

const Report = z.strictObject({
  schema: z.literal('lastack.report/1'),
  ...head,
  socketsSeen: count(),
  tookMs: ms(),
  namespaces: z.array(z.strictObject({ netns: text(), sockets: count() })),
  findings: z.array(Finding).describe('Worst first.'),
  capabilities: z.array(Capability),
});

const Sockets = z.strictObject({ schema: z.literal('lastack.sockets/1'), ...head, sockets: z.array(Socket) });

const Thread = z.strictObject({
  tid: z.int().positive(),
  name: z.string(),
  syscall: text().optional().describe('`running` when on a CPU; absent when it could not be read.'),
  fds: z.array(z.int()).describe('Descriptors that the call waits for or works on.'),
});

const WhyEnd = z
  .strictObject({
    ...socketFields,
    ageMs: Age.optional(),
    working: z.array(z.string()).describe('How the forecast was worked out, a step each.'),
    evidence: z.array(Evidence),
    options: z
      .strictObject({
        userTimeoutMs: ms(),
        keepalive: z.boolean(),
        keepaliveIdleSeconds: z.number(),
        keepaliveIntervalSeconds: z.number(),
        keepaliveProbes: z.int(),
        linger2Seconds: z.number().describe('-1: no FIN_WAIT2 at all.'),
        synCount: z.int(),
        rtoMaxMs: ms().optional(),
      })
      .optional()
      .describe('Options of the socket that the kernel lists nowhere; read where its holder may be asked.'),
    path: z
      .strictObject({
        route: z.enum(['on-link', 'gateway', 'local', 'none', 'blackhole', 'unknown']),
        gateway: text().optional(),
        device: text().optional(),
        neighbour: text().optional().describe('Neighbour state of the next hop, as `ip neigh` prints it.'),
        carrier: z.boolean().optional(),
      })
      .optional()
      .describe('How packets to the other end leave this namespace.'),
    holders: z.array(
      z.strictObject({
        pid: z.int().positive(),
        threads: z.array(Thread),
        watchedByEpoll: z.boolean(),
        unreadable: text().optional(),
      }),
    ),
  })
  .meta({ id: 'WhyEnd' });

const CloseStep = z
  .strictObject({
    id: z.enum(['local close', 'local FIN', 'ACK of local FIN', 'peer close', 'peer FIN', 'ACK of peer FIN']),
    step: text(),
    by: z.enum(['local', 'peer']),
    done: z.union([z.boolean(), z.literal('unknown')]),
    missing: z.literal(true).optional().describe('The one step that everything waits for.'),
    note: text().optional(),
    segment: z
      .strictObject({
        name: z.enum(['FIN', 'ACK']),
        fate: z.enum(['arrived', 'lost', 'unsure', 'unseen', 'unsent']),
      })
      .optional(),
  })
  .meta({ id: 'CloseStep' });

const whyHead = { schema: z.literal('lastack.why/1'), ...head };

const Why = z.union([
  z
    .strictObject({
      ...whyHead,
      matched: z.literal(1),
      socket: WhyEnd.describe('The end that the target names first.'),
      peer: WhyEnd.optional().describe('The other end, where it is visible.'),
      timeline: z.array(CloseStep),
      findings: z.array(Finding).describe('Findings that name this connection; the remedies are those for it.'),
    })
    .describe('One connection matched.'),
  z
    .strictObject({ ...whyHead, matched: count(), sockets: z.array(SocketWithPeer) })
    .describe('None matched, or several: those.'),
]);

const Actor = z.enum(['local-app', 'peer-app', 'peer-host', 'kernel']);

const Transition = z
  .strictObject({
    from: z.enum(STATES_IN_ORDER),
    event: text(),
    to: z.enum(STATES_IN_ORDER),
    actor: Actor,
    send: text().optional().describe('Segments sent in answer.'),
    where: z.enum(['both', 'rfc', 'linux']).describe('both: in RFC 9293 and done by Linux; linux: what Linux adds.'),
    kindAfter: socketFields.kind.optional(),
    note: text().optional(),
  })
  .meta({ id: 'Transition' });

const StateDocument = z
  .strictObject({
    schema: z.literal('lastack.state/1'),
    state: z.enum(STATES_IN_ORDER),
    number: z.int().positive().describe('Number of the state in the kernel.'),
    meaning: text(),
    ends: text(),
    next: z.array(z.strictObject({ actor: Actor, what: text() })).describe('Who must act, and how.'),
    lengths: z.array(
      z.strictObject({
        when: text(),
        text: text(),
        settings: z.record(z.string(), z.number().nullable()).describe('Values here; null: could not be read.'),
      }),
    ),
    transitions: z.strictObject({ in: z.array(Transition), out: z.array(Transition) }),
    names: z.array(
      z.strictObject({ system: z.enum(NAME_SYSTEMS), names: z.array(text()).min(1), note: text().optional() }),
    ),
    misbeliefs: z.array(text()),
  })
  .meta({ id: 'StateDocument' });

const States = z.strictObject({ schema: z.literal('lastack.states/1'), states: z.array(StateDocument) });

const Scenarios = z.strictObject({
  schema: z.literal('lastack.scenarios/1'),
  scenarios: z.array(
    z.strictObject({
      name: text(),
      title: text(),
      families: z.array(z.literal([4, 6])).min(1),
      expects: z
        .strictObject({
          rule: text().optional().describe('Absent: the doctor must find nothing.'),
          blame: z.array(Finding.shape.blame).describe('Any of these is right.'),
          state: text().optional(),
          forecastKind: Forecast.shape.kind.optional(),
        })
        .describe('What the doctor has to say.'),
      unsupported: text().optional().describe('Why it cannot be made in a throw-away namespace.'),
    }),
  ),
});

/** Every document by the value of its `schema` field, in the order of the commands that print them. */
export const DOCUMENTS = {
  'lastack.report/1': { schema: Report, printedBy: 'lastack --json' },
  'lastack.sockets/1': { schema: Sockets, printedBy: 'lastack ls --json' },
  'lastack.why/1': { schema: Why, printedBy: 'lastack why TARGET --json' },
  'lastack.state/1': { schema: StateDocument, printedBy: 'lastack explain STATE --json' },
  'lastack.states/1': { schema: States, printedBy: 'lastack explain --json' },
  'lastack.scenarios/1': { schema: Scenarios, printedBy: 'lastack lab list --json' },
} as const;

export type DocumentName = keyof typeof DOCUMENTS;

/** File name of a document's JSON Schema: `lastack.report-1.json`. */
export function schemaFile(name: DocumentName): string {
  return `${name.replace('/', '-')}.json`;
}

/** The JSON Schema (draft 2020-12) of a document, as the text of its file. */
export function schemaText(name: DocumentName): string {
  const { schema, printedBy } = DOCUMENTS[name];
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12' });
  const document = { $schema, $id: `urn:lastack:${name}`, title: `${name}, printed by ${printedBy}`, ...rest };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
