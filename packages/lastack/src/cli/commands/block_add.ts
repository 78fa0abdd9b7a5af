import { isIPv6 } from 'node:net';
import { type ClearTarget, guardOf, parseDurationMs, TcpState, targetOf } from '@lastack/core';
import type { NamespaceRef } from '@lastack/kernel';
import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { inside, namespacesIn } from '../../engine/namespaces.ts';
import { closeNamespaces, type Observation, observe } from '../../engine/observation.ts';
import { fetchOwners } from '../../engine/second_pass.ts';
import { sessionFacts } from '../../engine/session.ts';
import { parseTarget, type Target, targetText } from '../../engine/target.ts';
import { findMatches } from '../../engine/why_matches.ts';
import { openJournal } from '../../journal/open.ts';
import { addBlocks } from '../../remedies/block/add.ts';
import { type Block, blockOf, blockText, type Verdict } from '../../remedies/block/block.ts';
import { DEFAULT_BLOCK_MS } from '../../remedies/block/mod.ts';
import { blockRefusal } from '../../remedies/block/nft_program.ts';
import { missingForBoot } from '../../remedies/block/permanent.ts';
import { previewBlock } from '../../remedies/block/preview.ts';
import { type AddedBlock, blockedJson } from '../../report/block_json.ts';
import { spanText } from '../render/block.ts';
import { writeFitting } from '../render/fit_lines.ts';
import { noteLine } from '../render/note_line.ts';
import { printable } from '../render/printable.ts';

interface AddFlags {
  reject?: boolean;
  drop?: boolean;
  for?: string;
  permanent?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function addCommand(block: Command, effects: Effects, done: (code: number) => void, etcRoot: string): void {
  block
    .command('add')
    .description('block one connection, and any later one between the same two ends')
    .argument('<target...>', 'a connection as in why; one that only passes through is named by its two ends')
    .option('--reject', 'answer its packets with a reset: the end that sends is cleared (the default)')
    .option('--drop', 'swallow its packets: this clears nothing and makes stuck ends last longer')
    .option('--for <duration>', 'how long, for example 30s, 10m or 2h', '10m')
    .option('--permanent', 'until it is removed, also after a restart of the host')
    .option('--dry-run', 'show what would be blocked, and change nothing')
    .option('--json', 'one JSON document, schema lastack.blocked/1')
    .action(async (words: string[], flags: AddFlags, command: Command) => {
      const isTimed = command.getOptionValueSource('for') === 'cli';
      done(await add(effects, words, { ...flags, ...(!isTimed && { for: undefined }) }, etcRoot));
    });
}

/** What is to be blocked, and where. */
interface Meant {
  block: Block;
  namespace: NamespaceRef;
  /** The socket here; undefined for a connection that only passes through, or is yet to come. */
  socket: ClearTarget | undefined;
}

async function add(effects: Effects, words: string[], flags: AddFlags, etcRoot: string): Promise<number> {
  const verdict = readVerdict(flags);
  const timeoutMs = readTimeout(flags);
  const target = parseTarget(words);
  const meant = await findMeant(effects, target, verdict, timeoutMs);
  const dryRun = flags.dryRun ?? false;
  if (!meant) {
    if (flags.json) writeJson(effects, blockedJson(effects, undefined, { dryRun, todo: [] }));
    effects.stderr.write(
      `lastack: no socket matches ${targetText(target)}; one that passes through is named by both ends\n`,
    );
    return Exit.FOUND_OR_NO_MATCH;
  }
  const { block, namespace, socket } = meant;
  refuseLogin(effects, meant);
  const permanent = flags.permanent ?? false;
  if (permanent && namespace.label !== 'host') {
    throw new UserError(
      `--permanent: network namespace ${namespace.label} does not outlive a restart; leave it out`,
      Exit.NOT_POSSIBLE,
    );
  }
  const here = socket && { socket, preview: previewBlock(verdict, socket) };
  const added: AddedBlock = { block, netns: namespace.label, permanent, here };
  if (dryRun) {
    if (flags.json) writeJson(effects, blockedJson(effects, added, { dryRun, todo: [] }));
    else writeFitting(effects.stdout, `would block ${whatText(added)}\n${effectText(added)}`);
    return Exit.OK;
  }
  const refusal = blockRefusal(effects);
  if (refusal) throw new UserError(`${refusal.because}; ${refusal.todo}`, Exit.NOT_POSSIBLE);
  const entry = put(effects, meant, permanent ? etcRoot : undefined);
  const todo = permanent ? missingForBoot(etcRoot) : [];
  if (flags.json) writeJson(effects, blockedJson(effects, added, { dryRun, entry, todo }));
  else writeFitting(effects.stdout, addedText(added, entry, todo));
  return Exit.OK;
}

function writeJson({ stdout }: Effects, document: object): void {
  stdout.write(`${JSON.stringify(document)}\n`);
}

function whatText({ block, netns, permanent }: AddedBlock): string {
  return `${blockText(block)} (${block.verdict}) ${spanText(block, permanent)} in ${netns}`;
}

function addedText(added: AddedBlock, entry: number, todo: readonly string[]): string {
  const steps = todo.map((step) => `to survive a restart: ${step}\n`).join('');
  return `blocked ${whatText(added)}; to take it back: lastack undo ${entry}\n${effectText(added)}${steps}`;
}

function readVerdict({ reject, drop }: AddFlags): Verdict {
  if (reject && drop) throw new UserError('--reject and --drop exclude each other; give one');
  return drop ? 'drop' : 'reject';
}

/** undefined: without an end. */
function readTimeout(flags: AddFlags): number | undefined {
  if (flags.permanent && flags.for !== undefined) throw new UserError('--for and --permanent exclude each other');
  if (flags.permanent) return undefined;
  const text = flags.for ?? `${DEFAULT_BLOCK_MS}ms`;
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs === undefined || timeoutMs < 1000 || timeoutMs > 365 * 86_400_000) {
    throw new UserError(`--for ${printable(text)}: not a time from 1s to 365d; write 30s, 10m or 2h`);
  }
  return timeoutMs;
}

async function findMeant(
  effects: Effects,
  target: Target,
  verdict: Verdict,
  timeoutMs: number | undefined,
): Promise<Meant | undefined> {
  const observation = await observe(effects, 'all');
  try {
    const socket = oneSocket(effects, observation, target);
    if (socket) {
      const { local, remote } = socket.target;
      return { block: blockOf(local, remote, verdict, timeoutMs), namespace: socket.namespace, socket: socket.target };
    }
    const [own] = namespacesIn(effects, 'own', []);
    if (target.kind !== 'connection' || !own) return undefined;
    const block = blockOf(target.one, target.other, verdict, timeoutMs);
    if (isIPv6(block.local.address) !== isIPv6(block.remote.address)) {
      throw new UserError(`${blockText(block)}: one end is IPv4 and the other IPv6; no connection has such ends`);
    }
    return { block, namespace: own, socket: undefined };
  } finally {
    closeNamespaces(observation.namespaces);
  }
}

/** @throws UserError when the target names several */
function oneSocket(effects: Effects, observation: Observation, target: Target) {
  const matches = findMatches(effects, observation, target);
  if (matches.length > 1) {
    throw new UserError(`${matches.length} connections match; name one by its two ends (lastack why lists them)`);
  }
  const [match] = matches;
  if (!match) return undefined;
  const { namespace, row } = match.here;
  const { table } = namespace;
  if (table.remotePort(row) === 0) throw new UserError('a listener has no connection that could be blocked; name one');
  fetchOwners(effects, observation, new Map([[namespace, [row]]]));
  const owners = observation.owners.get(table.inode(row)) ?? [];
  return { target: targetOf(namespace, row, owners), namespace: namespace.ref };
}

/** @throws UserError for the connection that carries this session */
function refuseLogin(effects: Effects, { block, namespace, socket }: Meant): void {
  const facts = { ...sessionFacts(effects), allowEstablished: true, allowListeners: true, namedSingly: true };
  const unknown = {
    namespaceInode: namespace.inode,
    namespaceLabel: namespace.label,
    family: 4,
    state: TcpState.ESTABLISHED,
    kind: 'full',
    cookie: 0n,
    interfaceIndex: 0,
    inode: 0,
    uid: 0,
    receiveQueueBytes: 0,
    sendQueueBytes: 0,
    owners: [],
  } as const;
  const { local, remote } = block;
  const one: ClearTarget = socket ?? { ...unknown, local, remote };
  // The rule acts on both ends, whichever of them was found.
  const candidates = [one, { ...one, local: one.remote, remote: one.local }];
  const because = candidates.map((candidate) => guardOf(candidate, facts)).find((one) => one !== undefined);
  if (because) throw new UserError(`${blockText(block)} is left alone: ${because}`, Exit.NOT_POSSIBLE);
}

function put(effects: Effects, { block, namespace }: Meant, permanentIn: string | undefined): number {
  const journal = openJournal(effects);
  const notes: Parameters<typeof inside>[2] = [];
  const added = inside(effects, namespace, notes, () => ({
    id: addBlocks(effects, journal, { blocks: [block], namespace, permanentIn }),
  }));
  if (added) return added.id;
  throw new UserError(notes.map(noteLine).join('; '), Exit.NOT_POSSIBLE);
}

/** What it does, and above all what it does not. */
function effectText({ block: { verdict }, here }: AddedBlock): string {
  if (!here) {
    const meaning = verdict === 'drop' ? 'its packets are swallowed' : 'whoever sends gets a reset';
    return `no socket here has these ends: ${meaning} if they pass through\n`;
  }
  const { peerSees, programSees, remains } = here.preview;
  const program = programSees === undefined ? '' : `; the program sees ${programSees}`;
  return `the peer sees ${peerSees}${program}\nit will not clear: ${remains}\n`;
}
