import { MEANS, NAME_SYSTEMS, STATES_IN_ORDER } from '@lastack/core';
import { z } from 'zod';
import { AdviceDocument, AdviceListDocument } from './advice_schemas.ts';
import { BlockedDocument, BlocksDocument, UnblockedDocument } from './block_schemas.ts';
import { PortDocument, PressureDocument } from './port_schemas.ts';
import { RetuneDocument } from './retune_schema.ts';
import {
  Age,
  Capability,
  count,
  Evidence,
  Finding,
  Forecast,
  head,
  ms,
  OutcomeSocket,
  Socket,
  SocketOptions,
  SocketWithPeer,
  socketFields,
  text,
} from './schema_parts.ts';
import { DriftDocument, SettingsDocument, TunedDocument, TuningDocument } from './tune_schemas.ts';
import { UNDO_OUTCOMES } from './undo_json.ts';

// The one description of every JSON document that lastack prints. `npm run schemas` writes it out as JSON Schema; the
// tests hold real output against it. Only they load it: the command itself does not carry zod.

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
    options: SocketOptions.optional().describe(
      'Options of the socket that the kernel lists nowhere; read where its holder may be asked.',
    ),
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

const OutcomeResult = z.strictObject({
  socket: OutcomeSocket,
  method: z.enum(MEANS).nullable().describe('The last means that was used, or is planned; null where none could be.'),
  outcome: z.enum([
    'planned',
    'cleared',
    'already-gone',
    'identity-changed',
    'unsupported',
    'not-permitted',
    'still-stuck',
    'guarded',
    'not-tried',
  ]),
  lostBytes: count().describe('Not yet delivered and thrown away.'),
  peerSees: text().optional(),
  programSees: text().optional(),
  remains: text().optional().describe('What still stands afterwards: a descriptor, a rule, the other end.'),
  because: text().optional(),
  todo: text().optional(),
});

const OutcomeDocument = z.strictObject({
  schema: z.literal('lastack.outcome/1'),
  host: text(),
  at: z.iso.datetime(),
  dryRun: z.boolean(),
  interrupted: z.boolean(),
  counts: z.record(z.string(), count()).describe('How many results have each outcome.'),
  results: z.array(OutcomeResult),
  notes: z.array(z.strictObject({ what: text(), because: text(), todo: text().optional() })),
});

const JournalDocument = z.strictObject({
  schema: z.literal('lastack.journal/1'),
  path: text(),
  damagedLines: count().describe('Lines that could not be read and are left out.'),
  changes: z
    .array(
      z.strictObject({
        entry: z.int().positive().describe('What `lastack undo` takes.'),
        at: z.iso.datetime(),
        boot: text(),
        pid: z.int().positive(),
        action: text(),
        summary: text(),
        status: z.enum(['done', 'undone', 'running', 'interrupted']),
        result: text().optional(),
        endedAt: z.iso.datetime().optional(),
        undoneAt: z.iso.datetime().optional(),
        data: z.unknown().optional(),
      }),
    )
    .describe('Oldest first.'),
});

const UndoneDocument = z.strictObject({
  schema: z.literal('lastack.undone/1'),
  host: text(),
  at: z.iso.datetime(),
  dryRun: z.boolean(),
  entries: z
    .array(
      z.strictObject({
        entry: z.int().positive().describe('Its number in `lastack journal`.'),
        at: z.iso.datetime().describe('When it was done.'),
        action: text(),
        what: text().describe('What undoing does.'),
        outcome: z
          .enum(UNDO_OUTCOMES)
          .describe(
            'refused: not any more, or not now; over: nothing of it is in force any more; failed: tried, and it did not work.',
          ),
        because: text().optional().describe('Why not.'),
      }),
    )
    .describe('In the order of undoing, latest first. Empty: there is nothing to undo.'),
});

/** Every document by the value of its `schema` field, in the order of the commands that print them. */
export const DOCUMENTS = {
  'lastack.report/1': { schema: Report, printedBy: 'lastack --json' },
  'lastack.sockets/1': { schema: Sockets, printedBy: 'lastack ls --json' },
  'lastack.why/1': { schema: Why, printedBy: 'lastack why TARGET --json' },
  'lastack.state/1': { schema: StateDocument, printedBy: 'lastack explain STATE --json' },
  'lastack.states/1': { schema: States, printedBy: 'lastack explain --json' },
  'lastack.advice/1': { schema: AdviceDocument, printedBy: 'lastack explain ADVICE --json' },
  'lastack.advice-list/1': { schema: AdviceListDocument, printedBy: 'lastack explain --list --json' },
  'lastack.blocks/1': { schema: BlocksDocument, printedBy: 'lastack block list --json' },
  'lastack.blocked/1': { schema: BlockedDocument, printedBy: 'lastack block add TARGET --json' },
  'lastack.unblocked/1': { schema: UnblockedDocument, printedBy: 'lastack block remove TARGET --json' },
  'lastack.journal/1': { schema: JournalDocument, printedBy: 'lastack journal --json' },
  'lastack.undone/1': { schema: UndoneDocument, printedBy: 'lastack undo --json' },
  'lastack.outcome/1': { schema: OutcomeDocument, printedBy: 'lastack clear FILTER --json' },
  'lastack.port/1': { schema: PortDocument, printedBy: 'lastack port N --json' },
  'lastack.pressure/1': { schema: PressureDocument, printedBy: 'lastack port --pressure --json' },
  'lastack.retune/1': { schema: RetuneDocument, printedBy: 'lastack retune FILTER --json' },
  'lastack.settings/1': { schema: SettingsDocument, printedBy: 'lastack tune --json' },
  'lastack.tuning/1': { schema: TuningDocument, printedBy: 'lastack tune advise --json' },
  'lastack.tuned/1': { schema: TunedDocument, printedBy: 'lastack tune set NAME=VALUE --json' },
  'lastack.drift/1': { schema: DriftDocument, printedBy: 'lastack tune drift --json' },
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
