import { z } from 'zod';
import { ms, Note, OutcomeEndpoint, OutcomeSocket, text } from './schema_parts.ts';

// The documents of `lastack block`.

const blockHead = { host: text(), at: z.iso.datetime() };
const ends = {
  netns: text(),
  local: OutcomeEndpoint,
  remote: OutcomeEndpoint,
  verdict: z.enum(['reject', 'drop']),
};
const listed = {
  ...ends,
  leftMs: ms().optional().describe('Absent for a block without an end.'),
  permanent: z.boolean(),
  inForce: z.boolean(),
};
const entry = z.int().positive().optional();

export const BlocksDocument = z.strictObject({
  schema: z.literal('lastack.blocks/1'),
  ...blockHead,
  blocks: z.array(z.strictObject(listed)),
  notes: z.array(Note),
});

export const BlockedDocument = z.strictObject({
  schema: z.literal('lastack.blocked/1'),
  ...blockHead,
  dryRun: z.boolean(),
  entry: entry.describe('What `lastack undo` takes; absent when nothing was blocked.'),
  blocks: z
    .array(
      z.strictObject({
        ...ends,
        forMs: ms().optional().describe('Absent for a block without an end.'),
        permanent: z.boolean(),
        socket: OutcomeSocket.optional().describe(
          'The socket here; absent for a connection that only passes through, or is yet to come.',
        ),
        peerSees: text().optional(),
        programSees: text().optional(),
        remains: text().optional().describe('What the block does not clear.'),
      }),
    )
    .max(1)
    .describe('What is blocked now (or would be, with --dry-run). Empty: no socket matches.'),
  todo: z.array(text()).describe('What is missing for a permanent block to be loaded when the host starts.'),
});

export const UnblockedDocument = z.strictObject({
  schema: z.literal('lastack.unblocked/1'),
  ...blockHead,
  dryRun: z.boolean(),
  blocks: z
    .array(
      z.strictObject({
        ...listed,
        outcome: z.enum(['planned', 'removed', 'failed']),
        entry: entry.describe('In `lastack journal`; absent when nothing was tried.'),
        because: text().optional().describe('Why it is still in force.'),
      }),
    )
    .describe('As they stood before. Empty: no block matches.'),
  notes: z.array(Note),
});
