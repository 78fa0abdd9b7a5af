import { TUNING_PROFILES } from '@lastack/core';
import { z } from 'zod';
import { count, ms, Note, text } from './schema_parts.ts';

// The documents of `lastack tune`.

const tuneHead = { host: text(), at: z.iso.datetime() };
const Range = z.strictObject({ least: z.int(), most: z.int() });
const Unreadable = z.strictObject({ file: text(), because: text() });

const BootValue = z
  .strictObject({ value: z.string(), file: text(), line: z.int().positive() })
  .meta({ id: 'BootValue', description: 'What a file of sysctl.d sets, and where it says so.' });

const Setting = z
  .strictObject({
    name: text(),
    path: text().describe('Below /proc/sys.'),
    value: text().optional().describe('Numbers separated by one space; absent where the namespace does not show it.'),
    absent: text().optional().describe('Why it is not shown.'),
    default: text().optional().describe("The kernel's; absent where it depends on the machine."),
    unit: text(),
    scope: z.enum(['namespace', 'host']).describe('host: one value for all network namespaces.'),
    range: Range.optional().describe('What the kernel takes; absent where that was not measured.'),
    sensible: Range.describe('What does what its name says.'),
    since: text().optional().describe('First kernel that has it, where not all do.'),
    until: text().optional().describe('First kernel that has it no more.'),
    gone: z.strictObject({ broke: text(), instead: text() }).optional(),
    governs: text(),
    doesNotGovern: text(),
    takesEffect: z.enum(['at once', 'newly armed timers', 'new sockets']),
    risk: text(),
    meaning: text().optional().describe('What the value means here.'),
    findings: z
      .array(z.strictObject({ rule: text(), count: count(), title: text() }))
      .describe('What is found in this namespace now that it governs.'),
  })
  .meta({ id: 'Setting' });

export const SettingsDocument = z.strictObject({
  schema: z.literal('lastack.settings/1'),
  ...tuneHead,
  netns: text(),
  settings: z.array(Setting),
  notes: z.array(Note),
});

const Span = z.strictObject({ from: ms(), to: ms() });

const Proposal = z
  .strictObject({
    netns: text(),
    name: text(),
    before: text(),
    after: text(),
    because: text(),
    rules: z.array(text()).describe('Rules whose findings it rests on; none where the value itself misleads.'),
    effects: z.array(
      z.strictObject({
        what: text(),
        before: text(),
        after: text(),
        beforeMs: Span.optional().describe('Absent for never, and for what is no time.'),
        afterMs: Span.optional(),
      }),
    ),
    sideEffects: text(),
    confidence: z.enum(['high', 'medium', 'low']),
    confidenceBecause: text(),
    command: text(),
  })
  .meta({ id: 'Proposal' });

export const TuningDocument = z.strictObject({
  schema: z.literal('lastack.tuning/1'),
  ...tuneHead,
  profile: z.enum(TUNING_PROFILES).optional(),
  rule: text().optional().describe('Only the findings of this rule were asked about.'),
  proposals: z.array(Proposal).describe('Empty: nothing to change.'),
  unhelped: z
    .array(z.strictObject({ rule: text(), title: text(), because: text() }))
    .describe('Findings that no setting helps.'),
  notes: z.array(Note),
});

export const TunedDocument = z.strictObject({
  schema: z.literal('lastack.tuned/1'),
  ...tuneHead,
  netns: text(),
  dryRun: z.boolean(),
  changed: z.boolean(),
  entry: z.int().positive().optional().describe('What `lastack undo` takes.'),
  keptIn: text().optional().describe('The file that keeps them after a restart.'),
  settings: z.array(
    z.strictObject({
      name: text(),
      before: text(),
      after: text(),
      cautions: z.array(text()),
      meaningBefore: text().optional(),
      meaningAfter: text().optional(),
      overriddenBy: BootValue.optional().describe('Another file that wins over it when the host starts.'),
    }),
  ),
});

export const DriftDocument = z.strictObject({
  schema: z.literal('lastack.drift/1'),
  ...tuneHead,
  drifts: z.array(
    z.strictObject({
      name: text(),
      default: text().optional(),
      running: text().optional(),
      kept: text().optional().describe('In the file of lastack.'),
      boot: BootValue.optional().describe('What decides when the host starts; absent: no file does.'),
      procps: BootValue.optional().describe('What `sysctl --system` makes of it, where that is another value.'),
      because: text(),
      todo: text(),
    }),
  ),
  unreadable: z.array(Unreadable),
});
