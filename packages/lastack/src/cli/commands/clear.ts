import { networkInterfaces } from 'node:os';
import {
  CLEAR_MAX,
  type ClearTarget,
  type FilterAst,
  type Finding,
  guardOf,
  MEANS,
  type MeansId,
  type Note,
  type PlannedStep,
  parseDurationMs,
  planSteps,
  RULES,
  requirements,
} from '@lastack/core';
import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { applyContext } from '../../engine/apply_context.ts';
import { clearSockets } from '../../engine/clear.ts';
import { clearListed, clearWhileListing, type MinisocketRun } from '../../engine/clear_minisockets.ts';
import { diagnose } from '../../engine/diagnose.ts';
import { countMinisockets, isMinisocketsOnly, matchMinisockets } from '../../engine/minisockets.ts';
import type { Scope } from '../../engine/namespaces.ts';
import { closeNamespaces, type Observation, observe, openNamespaces } from '../../engine/observation.ts';
import { inBoth, rowsOfRefs, type SelectedRows, selectRows, targetsFor } from '../../engine/select_rows.ts';
import { sessionFacts } from '../../engine/session.ts';
import { sideEffects } from '../../engine/side_effects.ts';
import { parseTarget, type Target } from '../../engine/target.ts';
import { findMatches, findSockets } from '../../engine/why_matches.ts';
import { findAbilities } from '../../remedies/abilities.ts';
import { makeAbort } from '../../remedies/abort/mod.ts';
import { REMEDIES } from '../../remedies/mod.ts';
import { SIGNALS } from '../../remedies/signal/apply.ts';
import { makeSignal } from '../../remedies/signal/mod.ts';
import type { Guarded } from '../../report/outcome_json.ts';
import { ClearReport } from '../render/clear_report.ts';
import { MinisocketReport } from '../render/minisocket_report.ts';
import { printable } from '../render/printable.ts';
import { refuseSsOptions } from '../ss_options.ts';
import { clearPath } from './clear_path.ts';
import {
  checkLimit,
  isAgreed,
  isEndpoint,
  journalReady,
  looksLikeTarget,
  type Restriction,
  readFilter,
  readLimit,
  scopeOfFilter,
  scopeOfTarget,
} from './selection.ts';

export interface ClearFlags {
  method?: string;
  dryRun?: boolean;
  yes?: boolean;
  max: string;
  olderThan?: string;
  allNetns?: boolean;
  address?: string;
  interface?: string;
  established?: boolean;
  listeners?: boolean;
  signal: string;
  silent?: boolean;
  json?: boolean;
}

/** How long a FIN or a reset may take to show, before the next means is tried. */
const PATIENCE_MS = 1000;
const CLEAR = { ask: 'clear', done: 'cleared' };

export function clearCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  const command = program
    .command('clear')
    .description('end connections by the gentlest means that works, and look again whether they are gone')
    .argument('[filter-or-target...]', 'which sockets: the language of ls, or a target as in why')
    .option('--dry-run', 'show the plan and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--method <means>', `use this means only: ${MEANS.join(', ')}`)
    .option('--max <n>', 'refuse to touch more sockets than this', String(CLEAR_MAX))
    .option('--older-than <duration>', 'only sockets that are certainly longer in their state, for example 5m')
    .option('--all-netns', 'sockets of every network namespace that can be entered')
    .option('--address <address>', 'everything bound to this local address')
    .option('--interface <name>', 'everything bound to an address of this interface')
    .option('--established', 'include connections that are open and may be in use')
    .option('--listeners', 'include listeners: this ends services')
    .option('--signal <name>', 'with --method signal: HUP, TERM or KILL', 'TERM')
    .option('--silent', 'with --method abort: end the connection without a packet (TCP_REPAIR)')
    .option('--json', 'one JSON document, schema lastack.outcome/1')
    .exitOverride((error) => {
      if (error.code === 'commander.unknownOption') refuseSsOptions('clear', command.args);
      throw error;
    })
    .action(async (words: string[], flags: ClearFlags) => {
      // Commander takes -4 and -6 for numbers.
      refuseSsOptions('clear', words);
      done(await clear(effects, words, flags));
    });
}

async function clear(effects: Effects, words: string[], flags: ClearFlags): Promise<number> {
  const remedies = remediesFor(flags);
  const forced = readMethod(flags.method, remedies);
  const limit = readLimit(flags.max);
  const wanted = readWanted(effects, words, flags);
  if (forced === 'reset-path') return clearPath(effects, wanted.target, flags, () => journalReady(effects));
  const scope = scopeOf(wanted, flags);
  if (!wanted.target && isMinisocketsOnly(wanted.filter, forced))
    return clearTimeWait(effects, wanted.filter, scope, limit, flags);
  const observation = await observe(effects, scope);
  const interruption = effects.interruptible();
  try {
    const findings = isDiagnosisAsked(wanted, flags)
      ? await diagnose(effects, observation, { rules: RULES, minimumIntervalMs: 0 })
      : [];
    const selected = await select(effects, observation, wanted, findings);
    const { targets, guarded } = guard(effects, targetsFor(effects, observation, selected, findings), wanted, flags);
    const report = new ClearReport(effects, flags, observation, guarded);
    if (targets.length === 0) return report.nothing(guarded.length, scope);
    checkLimit(targets.length, limit);
    const abilities = await findAbilities(effects, targets, forced);
    const steps = planSteps(targets, { abilities, means: remedies, forced });
    report.sideEffects = sideEffects(effects, observation, forced, targets);
    if (flags.dryRun) return report.planned(steps);
    if (!(await isConfirmed(effects, report, steps, flags))) return report.declined();
    const journal = await journalReady(effects);
    report.begins(steps.length);
    const context = applyContext(effects, observation, journal, interruption.signal, (count) => report.progress(count));
    const results = await clearSockets(context, steps, {
      abilities,
      remedies,
      forced,
      escalate: true,
      patienceMs: PATIENCE_MS,
    });
    return report.finished(steps, results, interruption.signal.aborted);
  } finally {
    interruption.release();
    closeNamespaces(observation.namespaces);
  }
}

/** What stands in a plan or in JSON beside each socket, and what `stuck` means. Otherwise nobody would see it. */
function isDiagnosisAsked({ filter }: Wanted, { yes, json, dryRun }: ClearFlags): boolean {
  return !yes || json === true || dryRun === true || (filter !== undefined && requirements(filter).stuck);
}

/** What the user named: a filter, or what `why` takes; with a target the filter holds what narrows it further. */
interface Wanted {
  filter?: FilterAst;
  target?: Target;
}

function scopeOf({ filter, target }: Wanted, { allNetns }: ClearFlags): Scope {
  if (allNetns) return 'all';
  return target ? scopeOfTarget(target) : scopeOfFilter(filter);
}

/** Options that choose between variants of one means. @throws UserError */
function remediesFor({ signal, silent }: ClearFlags): typeof REMEDIES {
  const name = SIGNALS.find((known) => known === signal.toUpperCase().replace(/^SIG/, ''));
  if (!name) throw new UserError(`--signal ${printable(signal)}: not one of ${SIGNALS.join(', ')}`);
  return { ...REMEDIES, signal: makeSignal({ signal: name }), abort: makeAbort({ silent: silent ?? false }) };
}

function readMethod(method: string | undefined, remedies: typeof REMEDIES): MeansId | undefined {
  if (method === undefined) return undefined;
  const known = MEANS.find((means) => means === method);
  if (!known)
    throw new UserError(`--method ${printable(method)}: there is no such means; there are ${MEANS.join(', ')}`);
  if (!remedies[known]) throw new UserError(`--method ${known} is not built yet`, Exit.NOT_POSSIBLE);
  return known;
}

/** A target as in `why`, or a filter, with what the flags add to it. @throws UserError */
function readWanted(effects: Effects, words: string[], flags: ClearFlags): Wanted {
  const { olderThan, address, interface: device } = flags;
  if (olderThan !== undefined && parseDurationMs(olderThan) === undefined) {
    throw new UserError(`--older-than ${printable(olderThan)}: not a duration; write 30s, 5m or 2h`);
  }
  const restrictions: Restriction[] = [];
  const restrict = (option: string, filter: string) => restrictions.push({ option, filter });
  if (olderThan !== undefined) restrict(`--older-than ${olderThan}`, `age >= ${olderThan}`);
  if (address) restrict(`--address ${address}`, `src ${bracketed(address)}`);
  if (device) restrict(`--interface ${device}`, interfaceFilter(device));
  if (words.length === 0 && !flags.address && !flags.interface) {
    throw new UserError(
      'clear what? name sockets by a filter (state close-wait dport = :8080), a connection, --address or --interface',
    );
  }
  if (!looksLikeTarget(words) && !isEndpoint(words)) return { filter: readFilter(effects, words, restrictions) };
  const target = parseTarget(words);
  return restrictions.length === 0 ? { target } : { target, filter: readFilter(effects, [], restrictions) };
}

function bracketed(address: string): string {
  return address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
}

function interfaceFilter(name: string): string {
  const addresses = networkInterfaces()[name];
  if (!addresses) {
    const known = Object.keys(networkInterfaces()).join(', ');
    throw new UserError(
      `--interface ${printable(name)}: no interface of that name has an address here; there are ${known}`,
    );
  }
  return `( ${addresses.map(({ address }) => `src ${bracketed(address)}`).join(' or ')} )`;
}

async function select(
  effects: Effects,
  observation: Observation,
  { filter, target }: Wanted,
  findings: readonly Finding[],
): Promise<SelectedRows> {
  const named = target && rowsOfTarget(effects, observation, target);
  if (!filter) return named ?? new Map();
  const matching = await selectRows(effects, observation, filter, findings);
  return named ? inBoth(named, matching) : matching;
}

/** A port, an end or a process may mean many sockets, as a filter does. @throws UserError when a connection does */
function rowsOfTarget(effects: Effects, observation: Observation, target: Target): SelectedRows {
  if (!isSingle(target)) return rowsOfRefs(findSockets(effects, observation, target));
  const matches = findMatches(effects, observation, target);
  if (matches.length > 1) {
    throw new UserError(
      `${matches.length} connections match; name one by its cookie (lastack why lists them), or use a filter`,
    );
  }
  return rowsOfRefs(matches.map(({ here }) => here));
}

/** Whether it names one connection, rather than all of a kind. */
function isSingle(target: Target): boolean {
  return (
    target.kind === 'connection' || target.kind === 'cookie' || (target.kind === 'process' && target.fd !== undefined)
  );
}

function guard(
  effects: Effects,
  targets: readonly ClearTarget[],
  { target }: Wanted,
  flags: ClearFlags,
): { targets: ClearTarget[]; guarded: Guarded[] } {
  const facts = {
    ...sessionFacts(effects),
    allowEstablished: flags.established ?? false,
    allowListeners: flags.listeners ?? false,
    namedSingly: target !== undefined && isSingle(target) && targets.length === 1,
  };
  const allowed: ClearTarget[] = [];
  const guarded: Guarded[] = [];
  for (const each of targets) {
    const because = guardOf(each, facts);
    if (because === undefined) allowed.push(each);
    else guarded.push({ target: each, because });
  }
  return { targets: allowed, guarded };
}

/** Shows the plan, and asks when it concerns more than one socket; a script has to say `--yes`. */
async function isConfirmed(
  effects: Effects,
  report: ClearReport,
  steps: readonly PlannedStep[],
  flags: ClearFlags,
): Promise<boolean> {
  const doable = steps.filter(({ means }) => means !== undefined).length;
  if (flags.yes || doable === 0) return true;
  if (effects.isInteractive) report.showPlan(steps);
  return (effects.isInteractive && steps.length === 1) || isAgreed(effects, doable, CLEAR);
}

/** TIME_WAIT by the hundred thousand: no owners to guard, nothing to lose, no object per socket. */
async function clearTimeWait(
  effects: Effects,
  filter: FilterAst,
  scope: Scope,
  limit: number,
  flags: ClearFlags,
): Promise<number> {
  const notes: Note[] = [];
  const report = new MinisocketReport(effects, flags, notes);
  const opened = openNamespaces(effects, scope, notes);
  const interruption = effects.interruptible();
  const { signal } = interruption;
  const counts = opened.map((open) => countMinisockets(effects, open) ?? Number.POSITIVE_INFINITY);
  let atMost = counts.reduce((sum, count) => sum + count, 0);
  const run: MinisocketRun = {
    effects,
    filter,
    limit,
    journal: () => journalReady(effects),
    signal,
    notes,
    progress: (done) => report.progress(done, atMost),
  };
  try {
    const refusal = await REMEDIES.destroy?.probe?.(effects);
    if (flags.yes && !flags.json && !flags.dryRun && !refusal && atMost <= limit) {
      return report.finished(await clearWhileListing(run, opened), scope, signal.aborted);
    }
    const matches = await matchMinisockets(effects, opened, filter, notes);
    const count = matches.reduce((sum, { table }) => sum + table.count, 0);
    if (count === 0) return report.nothing(scope);
    checkLimit(count, limit);
    atMost = count;
    if (refusal) return report.refused(matches, refusal);
    if (flags.dryRun) return report.planned(matches);
    if (!flags.yes && !(await isAgreed(effects, count, CLEAR))) return report.declined();
    const results = await clearListed(run, matches);
    return flags.json ? report.finishedJson(results, signal.aborted) : report.finished(results, scope, signal.aborted);
  } finally {
    report.clearProgress();
    interruption.release();
    closeNamespaces(opened);
  }
}
