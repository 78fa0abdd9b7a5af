import {
  type ClearTarget,
  type FilterAst,
  guardRetune,
  type RetuneWish,
  RULES,
  requirements,
  stateMask,
  TcpState,
} from '@lastack/core';
import type { Command } from 'commander';
import { type Effects, UserError } from '../../effects.ts';
import { applyContext } from '../../engine/apply_context.ts';
import { diagnose } from '../../engine/diagnose.ts';
import type { Scope } from '../../engine/namespaces.ts';
import { closeNamespaces, type Observation, observe } from '../../engine/observation.ts';
import { applyRetunes } from '../../engine/retune/apply.ts';
import { retuneCandidates } from '../../engine/retune/candidates.ts';
import { planRetunes, type RetuneCandidate, sorted } from '../../engine/retune/plan.ts';
import { rowsOfRefs, type SelectedRows, selectRows } from '../../engine/select_rows.ts';
import { sessionFacts } from '../../engine/session.ts';
import { parseTarget, type Target } from '../../engine/target.ts';
import { findSockets } from '../../engine/why_matches.ts';
import type { Guarded } from '../../report/outcome_json.ts';
import { type RetunePlan, RetuneReport } from '../render/retune_report.ts';
import { followRetune } from './retune_follow.ts';
import { addRetuneOptions, RETUNE, type RetuneFlags, readPid, readWish } from './retune_options.ts';
import {
  checkLimit,
  isAgreed,
  isEndpoint,
  journalReady,
  looksLikeTarget,
  readFilter,
  readLimit,
  scopeOfFilter,
  scopeOfTarget,
} from './selection.ts';

export function retuneCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  const command = program
    .command('retune')
    .description('set options on open sockets of running programs: keepalive, user timeout and others')
    .argument('[filter-or-target...]', 'which sockets: the language of ls, or a target as in why');
  // Both write to the same key, and commander would let the last one win.
  const given = new Set<string>();
  addRetuneOptions(command)
    .option('--pid <pid>', 'only sockets that this process holds')
    .option('--follow', 'with --pid: go on with each socket that the process opens, until Ctrl-C')
    .option('--every <duration>', 'with --follow: how often to look for new sockets', '250ms')
    .option('--listeners', 'include listeners: what they accept from then on inherits the options')
    .option('--dry-run', 'show what would change, with the forecasts, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--max <n>', 'refuse to touch more sockets than this', '1000')
    .option('--all-netns', 'sockets of every network namespace that can be entered')
    .option('--json', 'one JSON document, schema lastack.retune/1')
    .on('option:keepalive', () => given.add('on'))
    .on('option:no-keepalive', () => given.add('off'))
    .action(async (words: string[], flags: RetuneFlags) => {
      const wish = readWish(flags, given.size > 1);
      done(flags.follow ? await followRetune(effects, words, flags, wish) : await retune(effects, words, flags, wish));
    });
}

async function retune(effects: Effects, words: string[], flags: RetuneFlags, wish: RetuneWish): Promise<number> {
  const limit = readLimit(flags.max);
  const wanted = readWanted(effects, words, flags);
  const scope = scopeOf(wanted, flags);
  const observation = await observe(effects, scope);
  const interruption = effects.interruptible();
  try {
    const selected = await select(effects, observation, wanted);
    const candidates = await retuneCandidates(effects, observation, selected, wish);
    const { allowed, guarded } = guard(effects, candidates, wanted, flags);
    checkLimit(allowed.length, limit);
    const planning = applyContext(effects, observation, NO_JOURNAL, interruption.signal, () => undefined);
    const planned = await planRetunes(planning, allowed);
    const plan: RetunePlan = { ...sorted(planned), guarded };
    const report = new RetuneReport(effects, flags, wish, observation, plan);
    if (allowed.length === 0) return report.nothing(scope);
    if (interruption.signal.aborted) return report.finished([], true);
    if (flags.dryRun) return report.planned();
    if (!(await isConfirmed(effects, report, plan, flags))) return report.declined();
    const journal = plan.steps.some(({ keys }) => keys.length > 0) ? await journalReady(effects) : NO_JOURNAL;
    const context = applyContext(effects, observation, journal, interruption.signal, (count) => report.progress(count));
    return report.finished(await applyRetunes(context, plan.steps), interruption.signal.aborted);
  } finally {
    interruption.release();
    closeNamespaces(observation.namespaces);
  }
}

/** Where nothing is going to be changed. */
const NO_JOURNAL = {} as Awaited<ReturnType<typeof journalReady>>;

/** What the user named: a filter, or what `why` takes. */
interface Wanted {
  filter?: FilterAst;
  target?: Target;
}

/** @throws UserError */
function readWanted(effects: Effects, words: string[], { pid }: RetuneFlags): Wanted {
  const number = pid === undefined ? undefined : readPid(pid);
  if (words.length === 0) {
    if (number !== undefined) return { target: { kind: 'process', pid: number } };
    throw new UserError(
      'retune which sockets? name them by a filter (dport = :5432), a target (pid:1581 fd:7) or --pid',
    );
  }
  if (looksLikeTarget(words) || isEndpoint(words)) {
    if (number === undefined) return { target: parseTarget(words) };
    throw new UserError('--pid goes with a filter, not with a target; write pid:1581 fd:7 for one descriptor');
  }
  const restrictions = number === undefined ? [] : [{ option: `--pid ${number}`, filter: `pid = ${number}` }];
  return { filter: readFilter(effects, words, restrictions) };
}

function scopeOf({ filter, target }: Wanted, { allNetns, pid }: RetuneFlags): Scope {
  if (allNetns || pid !== undefined) return 'all';
  return target ? scopeOfTarget(target) : scopeOfFilter(filter);
}

async function select(effects: Effects, observation: Observation, { filter, target }: Wanted): Promise<SelectedRows> {
  if (filter) {
    const needsRules = requirements(filter).stuck;
    const findings = needsRules ? await diagnose(effects, observation, { rules: RULES, minimumIntervalMs: 0 }) : [];
    return selectRows(effects, observation, filter, findings);
  }
  return target ? rowsOfRefs(findSockets(effects, observation, target)) : new Map();
}

function guard(
  effects: Effects,
  candidates: readonly RetuneCandidate[],
  { filter, target }: Wanted,
  { listeners }: RetuneFlags,
): { allowed: RetuneCandidate[]; guarded: Guarded[] } {
  const facts = {
    ...sessionFacts(effects),
    // A filter that can match nothing else names them.
    allowListeners: listeners ?? (filter !== undefined && stateMask(filter) === 1 << TcpState.LISTEN),
    namedSingly: target !== undefined && candidates.length === 1,
  };
  const allowed: RetuneCandidate[] = [];
  const guarded: { target: ClearTarget; because: string }[] = [];
  for (const candidate of candidates) {
    const because = guardRetune(candidate.target, facts);
    if (because === undefined) allowed.push(candidate);
    else guarded.push({ target: candidate.target, because });
  }
  return { allowed, guarded };
}

/** Shows the plan, and asks when it concerns more than one socket; a script has to say `--yes`. */
async function isConfirmed(
  effects: Effects,
  report: RetuneReport,
  { steps }: RetunePlan,
  { yes }: RetuneFlags,
): Promise<boolean> {
  const open = steps.filter(({ keys }) => keys.length > 0).length;
  if (yes || open === 0) return true;
  if (effects.isInteractive) report.showPlan();
  return (effects.isInteractive && open === 1) || isAgreed(effects, open, RETUNE);
}
