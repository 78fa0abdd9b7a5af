import type { Note } from '@lastack/core';
import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { canonicalAddress, parseTarget, type Target, targetText } from '../../engine/target.ts';
import { openJournal } from '../../journal/open.ts';
import { type ListedBlock, listBlocks } from '../../remedies/block/listed.ts';
import { removeBlocks } from '../../remedies/block/remove.ts';
import { blockJson } from '../../report/block_json.ts';
import { renderBlocks } from '../render/block.ts';
import { noteLine } from '../render/note_line.ts';
import { counted } from '../render/report_words.ts';
import { addCommand } from './block_add.ts';

/** Where permanent blocks are kept; tests use a folder of their own. */
export const ETC = '/etc';

interface ListFlags {
  allNetns?: boolean;
  json?: boolean;
}

interface RemoveFlags {
  all?: boolean;
  allNetns?: boolean;
  dryRun?: boolean;
}

export function blockCommand(program: Command, effects: Effects, done: (code: number) => void, etcRoot = ETC): void {
  const block = program
    .command('block')
    .description('answer or drop the packets of single connections by firewall rules that expire (nftables)')
    .action(() => block.outputHelp());
  block
    .command('list')
    .description('the blocks of lastack that are in force, with the time they have left')
    .option('--all-netns', 'those of every network namespace that can be entered')
    .option('--json', 'one JSON document, schema lastack.blocks/1')
    .action((flags: ListFlags) => done(list(effects, flags, etcRoot)));
  addCommand(block, effects, done, etcRoot);
  block
    .command('remove')
    .description('take blocks of lastack out of force, permanent ones too')
    .argument('[target...]', 'a connection, an end (10.0.2.46:2572) or a port (:4000)')
    .option('--all', 'every block')
    .option('--all-netns', 'in every network namespace that can be entered')
    .option('--dry-run', 'show which, and change nothing')
    .action((words: string[], flags: RemoveFlags) => done(remove(effects, words, flags, etcRoot)));
}

function list(effects: Effects, { allNetns, json }: ListFlags, etcRoot: string): number {
  const notes: Note[] = [];
  const blocks = listBlocks(effects, allNetns ? 'all' : 'own', etcRoot, notes);
  if (json) {
    const at = new Date(effects.now()).toISOString();
    const document = { schema: 'lastack.blocks/1', host: effects.hostname, at, blocks: blocks.map(blockJson), notes };
    effects.stdout.write(`${JSON.stringify(document)}\n`);
  } else if (blocks.length > 0) {
    effects.stdout.write(renderBlocks(blocks, allNetns === true));
  } else {
    effects.stdout.write('No connection is blocked by lastack.\n');
  }
  return reportNotes(effects, notes) ? Exit.PARTIAL : Exit.OK;
}

function remove(effects: Effects, words: string[], flags: RemoveFlags, etcRoot: string): number {
  if (words.length > 0 === (flags.all ?? false)) {
    throw new UserError(
      'block remove what? name a connection, an end or a port as `lastack block list` shows it, or --all',
    );
  }
  const target = flags.all ? undefined : parseTarget(words);
  const notes: Note[] = [];
  const blocks = listBlocks(effects, flags.allNetns ? 'all' : 'own', etcRoot, notes);
  const wanted = target ? blocks.filter((block) => isMeant(block, target)) : blocks;
  const incomplete = reportNotes(effects, notes);
  if (wanted.length === 0) {
    const what = target ? `no block is on ${targetText(target)}` : 'there is no block';
    effects.stderr.write(`lastack: ${what}\n`);
    return incomplete ? Exit.PARTIAL : Exit.FOUND_OR_NO_MATCH;
  }
  if (!flags.dryRun) removeBlocks(effects, openJournal(effects), wanted, etcRoot);
  effects.stdout.write(renderBlocks(wanted, flags.allNetns === true));
  effects.stdout.write(`${flags.dryRun ? 'would remove' : 'removed'} ${counted(wanted.length, 'block')}\n`);
  return incomplete ? Exit.PARTIAL : Exit.OK;
}

/** @throws UserError for what no block has: cookies and descriptors */
function isMeant({ local, remote }: ListedBlock, target: Target): boolean {
  const ends = [local, remote].map(({ address, port }) => `${canonicalAddress(address)} ${port}`);
  switch (target.kind) {
    case 'connection':
      return [target.one, target.other].every(({ address, port }) => ends.includes(`${address} ${port}`));
    case 'endpoint':
      return ends.includes(`${target.address} ${target.port}`);
    case 'port':
      return local.port === target.port || remote.port === target.port;
    default:
      throw new UserError('a block knows addresses only; name a connection, an end or a port');
  }
}

/** @returns whether blocks may be missing */
function reportNotes(effects: Effects, notes: readonly Note[]): boolean {
  for (const note of notes) effects.stderr.write(`lastack: ${noteLine(note)}\n`);
  return notes.some(({ incomplete }) => incomplete);
}
