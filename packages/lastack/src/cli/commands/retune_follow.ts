import {
  formatDuration,
  parseDurationMs,
  type RetuneRefusal,
  type RetuneWish,
  TcpState,
  wishText,
} from '@lastack/core';
import type { NetlinkTransport } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { applyRetunes, type RetuneResult } from '../../engine/retune/apply.ts';
import { ProcessWatch, pauseAfter, pauseUnless } from '../../engine/retune/follow.ts';
import { planRetunes, type RetuneCandidate, sorted } from '../../engine/retune/plan.ts';
import type { ApplyContext } from '../../remedies/remedy.ts';
import { refusedRetune, retunedJson, retuneJson } from '../../report/retune_json.ts';
import { printable } from '../render/printable.ts';
import { Page } from '../render/report_layout.ts';
import { pageOptions } from '../render/report_options.ts';
import { counted } from '../render/report_words.ts';
import { renderFollowed } from '../render/retune.ts';
import { entriesOf } from '../render/retune_report.ts';
import { RETUNE, type RetuneFlags, readPid } from './retune_options.ts';
import { checkLimit, isAgreed, journalReady, readLimit } from './selection.ts';

const LEAST_EVERY_MS = 10;
const MOST_EVERY_MS = 3_600_000;

/** Retunes what a process holds, and then each socket that it opens, until it ends or Ctrl-C. */
export async function followRetune(
  effects: Effects,
  words: readonly string[],
  flags: RetuneFlags,
  wish: RetuneWish,
): Promise<number> {
  if (flags.pid === undefined) throw new UserError('--follow follows one process; say which with --pid');
  if (words.length > 0) throw new UserError('--follow takes every socket of the process; leave the filter out');
  if (flags.dryRun) throw new UserError('--follow changes sockets that are yet to come; leave out it or --dry-run');
  const pid = readPid(flags.pid);
  const limit = readLimit(flags.max);
  const everyMs = readEvery(flags.every);
  const watch = new ProcessWatch(effects, pid);
  const interruption = effects.interruptible();
  try {
    const first = withoutListeners(await watch.look(wish), flags);
    checkLimit(first.length, limit);
    const process = `${watch.command} (pid ${pid})`;
    if (!flags.yes && !(await isAgreed(effects, first.length, withNewOnes(process)))) {
      effects.stderr.write('lastack: nothing was changed\n');
      return Exit.OK;
    }
    effects.stderr.write(`lastack: ${printable(startText(process, wish, everyMs))}\n`);
    const context = await followContext(effects, watch, interruption.signal);
    const changed = await rounds(context, watch, { flags, wish, everyMs, first });
    const how = interruption.signal.aborted ? 'interrupted' : `${process} has ended`;
    effects.stderr.write(`lastack: ${printable(`${how}; ${counted(changed, 'socket')} changed`)}\n`);
    return interruption.signal.aborted ? Exit.INTERRUPTED : Exit.OK;
  } finally {
    interruption.release();
    watch.close();
  }
}

function withNewOnes(process: string): typeof RETUNE {
  return { ask: `follow ${printable(process)}, and retune each new socket and now`, done: RETUNE.done };
}

function startText(process: string, wish: RetuneWish, everyMs: number): string {
  const often = formatDuration(everyMs);
  return `following ${process}: ${wishText(wish)}; it looks every ${often}, so a new socket is reached that soon after it connects; Ctrl-C ends it`;
}

function readEvery(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= LEAST_EVERY_MS && ms <= MOST_EVERY_MS) return ms;
  throw new UserError(`--every ${printable(text)}: not a duration from ${LEAST_EVERY_MS}ms to 1h`);
}

function withoutListeners(candidates: RetuneCandidate[], { listeners }: RetuneFlags): RetuneCandidate[] {
  return listeners ? candidates : candidates.filter(({ target }) => target.state !== TcpState.LISTEN);
}

async function followContext(
  effects: Effects,
  { namespace }: ProcessWatch,
  signal: AbortSignal,
): Promise<ApplyContext> {
  return {
    effects,
    journal: await journalReady(effects),
    signal,
    diag: (): NetlinkTransport => namespace.diag,
    inside: () => {
      throw new Error('retuning enters no namespace');
    },
    progress: () => undefined,
  };
}

interface Rounds {
  flags: RetuneFlags;
  wish: RetuneWish;
  everyMs: number;
  first: RetuneCandidate[];
}

/** @returns how many sockets were changed */
async function rounds(
  context: ApplyContext,
  watch: ProcessWatch,
  { flags, wish, everyMs, first }: Rounds,
): Promise<number> {
  const { effects, signal } = context;
  let changed = 0;
  let candidates = first;
  let tookMs = 0;
  while (!signal.aborted) {
    if (candidates.length > 0) {
      const { steps, refusals } = sorted(await planRetunes(context, candidates));
      const results = await applyRetunes(context, steps);
      changed += results.filter(({ outcome }) => outcome === 'changed').length;
      report(effects, flags, wish, results, refusals);
    }
    if (!watch.isAlive) break;
    await pauseUnless(effects, pauseAfter(everyMs, tookMs), signal);
    if (signal.aborted) break;
    const startedMs = effects.monotonicMs();
    candidates = withoutListeners(await watch.look(wish), flags);
    tookMs = effects.monotonicMs() - startedMs;
  }
  return changed;
}

/** As JSON, one document on a line for each look that found something. */
function report(
  effects: Effects,
  { json }: RetuneFlags,
  wanted: RetuneWish,
  results: readonly RetuneResult[],
  refusals: readonly RetuneRefusal[],
): void {
  if (!json) {
    const text = renderFollowed(results, refusals, new Page(pageOptions(effects)));
    if (text !== '') effects.stdout.write(text);
    return;
  }
  const head = { host: effects.hostname, atMs: effects.now(), dryRun: false, interrupted: false };
  const all = [...results.map(retunedJson), ...refusals.map(refusedRetune)];
  if (all.length === 0) return;
  const document = retuneJson({ ...head, wanted, entries: entriesOf(results) }, all, []);
  effects.stdout.write(`${JSON.stringify(document)}\n`);
}
