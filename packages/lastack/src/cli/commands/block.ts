import type { Note } from '@lastack/core';
import { type Command, Option } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { closeNamespaces, observe } from '../../engine/observation.ts';
import { canonicalAddress, parseTarget, type Target, type TargetEndpoint, targetText } from '../../engine/target.ts';
import { findSockets } from '../../engine/why_matches.ts';
import { openJournal } from '../../journal/open.ts';
import { type ListedBlock, listBlocks } from '../../remedies/block/listed.ts';
import { type Removal, removeBlocks } from '../../remedies/block/remove.ts';
import { blocksJson, unblockedJson } from '../../report/block_json.ts';
import { helpWidth } from '../narrow.ts';
import { renderBlocks } from '../render/block.ts';
import { writeFitting } from '../render/fit_lines.ts';
import { noteLine } from '../render/note_line.ts';
import { counted } from '../render/report_words.ts';
import { addCommand } from './block_add.ts';

/** Where permanent blocks are kept; tests use a folder of their own. */
export const ETC = '/etc';

interface ListFlags {
  ownNetns?: boolean;
  json?: boolean;
}

interface RemoveFlags {
  all?: boolean;
  allNetns?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function blockCommand(program: Command, effects: Effects, done: (code: number) => void, etcRoot = ETC): void {
  const block = program
    .command('block')
    .description('answer or drop the packets of single connections by firewall rules that expire (nftables)')
    .action(() => block.outputHelp());
  block
    .command('list')
    .description('the blocks of lastack that are in force, with the time they have left')
    .option('--own-netns', 'those of the present network namespace only')
    // What it does anyway: earlier versions did so only when they were told.
    .addOption(new Option('--all-netns').hideHelp())
    .option('--json', 'one JSON document, schema lastack.blocks/1')
    .action((flags: ListFlags) => done(list(effects, flags, etcRoot)));
  addCommand(block, effects, done, etcRoot);
  block
    .command('remove')
    .description('take blocks of lastack out of force, permanent ones too')
    .argument(
      '[target...]',
      'as in why: a connection, an end (10.0.2.46:2572), a port (:4000), a cookie; in all namespaces',
    )
    .option('--all', 'every block of the present network namespace')
    .option('--all-netns', 'with --all: of every network namespace that can be entered')
    .option('--dry-run', 'show which, and change nothing')
    .option('--json', 'one JSON document, schema lastack.unblocked/1')
    .action(async (words: string[], flags: RemoveFlags) => done(await remove(effects, words, flags, etcRoot)));
}

function list(effects: Effects, { ownNetns, json }: ListFlags, etcRoot: string): number {
  const notes: Note[] = [];
  const blocks = listBlocks(effects, ownNetns ? 'own' : 'all', etcRoot, notes);
  if (json) {
    effects.stdout.write(`${JSON.stringify(blocksJson(effects, blocks, notes))}\n`);
  } else if (blocks.length > 0) {
    effects.stdout.write(renderBlocks(blocks, !ownNetns, helpWidth(effects.stdout)));
  } else {
    const where = ownNetns ? ' in this network namespace' : '';
    const doubt = notes.some(({ incomplete }) => incomplete) ? ', as far as could be read' : '';
    writeFitting(effects.stdout, `No connection is blocked by lastack${where}${doubt}.\n`);
  }
  return reportNotes(effects, notes) ? Exit.PARTIAL : Exit.OK;
}

async function remove(effects: Effects, words: string[], flags: RemoveFlags, etcRoot: string): Promise<number> {
  if (words.length > 0 && flags.all) throw new UserError('--all and a target exclude each other; give one');
  if (words.length === 0 && !flags.all) {
    throw new UserError(
      'block remove what? name a connection, an end or a port as `lastack block list` shows it, or --all',
    );
  }
  const target = flags.all ? undefined : parseTarget(words);
  const notes: Note[] = [];
  const everywhere = target !== undefined || flags.allNetns === true;
  const blocks = listBlocks(effects, everywhere ? 'all' : 'own', etcRoot, notes);
  // Without a block there is nothing to look for.
  const isMeant = target && blocks.length > 0 ? await testFor(effects, target) : () => true;
  const wanted = blocks.filter(isMeant);
  const incomplete = reportNotes(effects, notes);
  const isTried = wanted.length > 0 && !flags.dryRun;
  const removals = isTried ? removeBlocks(effects, openJournal(effects), wanted, etcRoot) : [];
  if (flags.json) {
    const document = unblockedJson(effects, wanted, flags.dryRun ? undefined : removals, notes);
    effects.stdout.write(`${JSON.stringify(document)}\n`);
  }
  if (wanted.length === 0) {
    const what = target ? `no block is on ${targetText(target)}` : 'there is no block';
    const where = everywhere ? '' : ' in this network namespace; --all-netns looks in all';
    effects.stderr.write(`lastack: ${what}${where}\n`);
    return incomplete ? Exit.PARTIAL : Exit.FOUND_OR_NO_MATCH;
  }
  if (!flags.json) writeRemoval(effects, wanted, removals, flags, everywhere);
  const failures = new Set(removals.flatMap(({ because }) => because ?? []));
  for (const because of failures) effects.stderr.write(`lastack: not removed: ${because}\n`);
  return incomplete || failures.size > 0 ? Exit.PARTIAL : Exit.OK;
}

function writeRemoval(
  { stdout }: Effects,
  wanted: readonly ListedBlock[],
  removals: readonly Removal[],
  { dryRun }: RemoveFlags,
  withNamespace: boolean,
): void {
  const removed = removals.filter(({ because }) => because === undefined).map(({ block }) => block);
  const shown = dryRun ? wanted : removed;
  if (shown.length > 0) stdout.write(renderBlocks(shown, withNamespace, helpWidth(stdout)));
  writeFitting(stdout, `${dryRun ? 'would remove' : 'removed'} ${counted(shown.length, 'block')}\n`);
}

type BlockTest = (block: ListedBlock) => boolean;

/** A block knows addresses only, so cookies and descriptors stand for the ends of their sockets. @throws UserError */
async function testFor(effects: Effects, target: Target): Promise<BlockTest> {
  switch (target.kind) {
    case 'connection':
      return (block) => [target.one, target.other].every((end) => isEndOf(block, end));
    case 'endpoint':
      return (block) => isEndOf(block, target);
    case 'port':
      return ({ local, remote }) => local.port === target.port || remote.port === target.port;
    default:
      return testForSockets(effects, target);
  }
}

function isEndOf({ local, remote }: ListedBlock, { address, port }: TargetEndpoint): boolean {
  return [local, remote].some((end) => end.port === port && canonicalAddress(end.address) === address);
}

/** @throws UserError when the sockets are gone, and their addresses with them */
async function testForSockets(effects: Effects, target: Target): Promise<BlockTest> {
  const observation = await observe(effects, 'all');
  closeNamespaces(observation.namespaces);
  const connections = findSockets(effects, observation, target).map(({ namespace, row }) => ({
    inode: namespace.inode,
    one: endAt(namespace.table.localAddress(row), namespace.table.localPort(row)),
    other: endAt(namespace.table.remoteAddress(row), namespace.table.remotePort(row)),
  }));
  if (connections.length === 0) {
    const what = `there is not ${targetText(target)} (any more), and a block knows addresses only`;
    throw new UserError(`${what}; name its two ends as \`lastack block list\` shows them`, Exit.FOUND_OR_NO_MATCH);
  }
  return (block) =>
    connections.some(
      ({ inode, one, other }) => inode === block.namespace.inode && isEndOf(block, one) && isEndOf(block, other),
    );
}

function endAt(address: string, port: number): TargetEndpoint {
  return { address: canonicalAddress(address) ?? address, port };
}

/** @returns whether blocks may be missing */
function reportNotes(effects: Effects, notes: readonly Note[]): boolean {
  for (const note of notes) effects.stderr.write(`lastack: ${noteLine(note)}\n`);
  return notes.some(({ incomplete }) => incomplete);
}
