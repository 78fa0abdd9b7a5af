import { z } from 'zod';
import { count, Forecast, OutcomeSocket, SocketOptions, text } from './schema_parts.ts';

const Result = z.strictObject({
  socket: OutcomeSocket,
  outcome: z
    .enum([
      'planned',
      'changed',
      'already-so',
      'changed-meanwhile',
      'already-gone',
      'identity-changed',
      'unsupported',
      'not-permitted',
      'guarded',
      'not-tried',
    ])
    .describe(
      'planned: would be changed, with --dry-run; changed: set, and read back; already-so: nothing to set; changed-meanwhile: its program set the options itself between the plan and its turn, left alone; guarded: left alone unless asked for; not-tried: interrupted before its turn.',
    ),
  options: z
    .strictObject({ before: SocketOptions, after: SocketOptions })
    .optional()
    .describe('As they were read, and as they are (or, planned, would be). Absent where they could not be read.'),
  forecast: z
    .strictObject({ before: Forecast, after: Forecast })
    .optional()
    .describe(
      'When the socket goes away by itself without the change, and with it: the latter counted from when it is set.',
    ),
  limits: z.array(text()).optional().describe('What the change does not do on this socket.'),
  because: text().optional(),
  todo: text().optional(),
});

export const RetuneDocument = z.strictObject({
  schema: z.literal('lastack.retune/1'),
  host: text(),
  at: z.iso.datetime().describe('When the sockets were read.'),
  dryRun: z.boolean(),
  interrupted: z.boolean(),
  wanted: SocketOptions.partial().describe('The options that were asked for.'),
  counts: z.record(z.string(), count()).describe('How many results have each outcome.'),
  entries: z.array(z.int().positive()).describe('Journal entries that `lastack undo` takes back.'),
  results: z.array(Result),
  notes: z.array(z.strictObject({ what: text(), because: text(), todo: text().optional() })),
});
