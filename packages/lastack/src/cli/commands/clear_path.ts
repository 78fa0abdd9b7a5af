import { namespaceInode } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import type { Target } from '../../engine/target.ts';
import type { Journal } from '../../journal/journal.ts';
import { type PathReset, resetPath } from '../../remedies/reset-path/mod.ts';
import type { OutcomeJson, OutcomeResultJson } from '../../report/outcome_json.ts';
import { writeFitting } from '../render/fit_lines.ts';
import { printable } from '../render/printable.ts';

export interface PathFlags {
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

type Connection = Extract<Target, { kind: 'connection' }>;

/**
 * `clear --method reset-path A-B`: a connection that passes through this host and has no socket here. No cookie can tell
 * it from a later one of the same addresses, so it is always named by both ends, and always asked for.
 */
export async function clearPath(
  effects: Effects,
  target: Target | undefined,
  flags: PathFlags,
  openJournal: () => Promise<Journal>,
): Promise<number> {
  if (target?.kind !== 'connection') {
    throw new UserError(
      '--method reset-path needs both ends of one connection: lastack clear --method reset-path A:port-B:port',
    );
  }
  const text = `${target.one.address}:${target.one.port} ↔ ${target.other.address}:${target.other.port}`;
  if (flags.dryRun) {
    const planned: PathReset = { outcome: 'cleared', ends: [] };
    if (flags.json) writeJson(effects, target, planned, true);
    else writeFitting(effects.stdout, `plan: probe ${text} on its way through here, then reset both ends\n`);
    return Exit.OK;
  }
  if (!flags.yes && !(await agreed(effects, text))) {
    effects.stderr.write('lastack: nothing was changed\n');
    return Exit.FOUND_OR_NO_MATCH;
  }
  const interruption = effects.interruptible();
  try {
    const inode = namespaceInode(`${effects.procRoot}/thread-self/ns/net`);
    if (inode === undefined)
      throw new UserError('the own network namespace cannot be read: is /proc mounted?', Exit.NOT_POSSIBLE);
    const path = { a: target.one, b: target.other, namespaceInode: inode };
    const result = await resetPath(effects, path, { journal: await openJournal(), signal: interruption.signal });
    if (flags.json) writeJson(effects, target, result, false);
    else writeText(effects, text, result);
    return interruption.signal.aborted ? Exit.INTERRUPTED : exitCode(result);
  } finally {
    interruption.release();
  }
}

async function agreed(effects: Effects, text: string): Promise<boolean> {
  if (effects.isInteractive) return effects.ask(`reset both ends of ${text}? [y/N] `);
  throw new UserError(`${text} would be reset; say --yes to do it without a terminal, or --dry-run to see the plan`);
}

function exitCode({ outcome }: PathReset): number {
  if (outcome === 'cleared' || outcome === 'already-gone') return Exit.OK;
  return outcome === 'still-stuck' ? Exit.PARTIAL : Exit.NOT_POSSIBLE;
}

function writeText({ stdout }: Effects, text: string, { outcome, ends, because, todo, remains }: PathReset): void {
  const lines = ends.map(({ end, because: why }) => `${end.address}:${end.port}: ${why}`);
  if (remains) lines.push(`remains: ${remains}`);
  lines.push([`${outcome}: ${text}`, because, todo].filter(Boolean).join('; '));
  writeFitting(stdout, lines.map((line) => `${printable(line)}\n`).join(''));
}

function writeJson(effects: Effects, target: Connection, result: PathReset, dryRun: boolean): void {
  const outcome = dryRun ? 'planned' : result.outcome;
  const because = [result.because, ...result.ends.map(({ end, because: why }) => `${end.address}:${end.port}: ${why}`)];
  const one: OutcomeResultJson = {
    socket: {
      netns: 'self',
      family: target.one.address.includes(':') ? 'inet6' : 'inet',
      state: 'FORWARDED',
      kind: 'forwarded',
      local: target.one,
      remote: target.other,
      cookie: '0',
      owners: [],
    },
    method: 'reset-path',
    outcome,
    lostBytes: 0,
    remains: result.remains,
    because: because.filter(Boolean).join('; ') || undefined,
    todo: result.todo,
  };
  const document: OutcomeJson = {
    schema: 'lastack.outcome/1',
    host: effects.hostname,
    at: new Date(effects.now()).toISOString(),
    dryRun,
    interrupted: false,
    counts: { [outcome]: 1 },
    results: [one],
    notes: [],
  };
  effects.stdout.write(`${JSON.stringify(document)}\n`);
}
