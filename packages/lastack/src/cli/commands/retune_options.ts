import { parseDurationMs, RETUNE_RANGES, type RetuneWish } from '@lastack/core';
import type { Command } from 'commander';
import { UserError } from '../../effects.ts';
import { printable } from '../render/printable.ts';

/** The options of `retune` that say what is to be set, as commander gives them. */
export interface RetuneOptionFlags {
  /** false: `--no-keepalive`. */
  keepalive?: string | boolean;
  userTimeout?: string;
  linger2?: string;
  rtoMax?: string;
  synCount?: string;
}

export interface RetuneFlags extends RetuneOptionFlags {
  pid?: string;
  follow?: boolean;
  every: string;
  dryRun?: boolean;
  yes?: boolean;
  max: string;
  allNetns?: boolean;
  listeners?: boolean;
  json?: boolean;
}

export const RETUNE = { ask: 'retune', done: 'retuned' };

export function addRetuneOptions(command: Command): Command {
  return command
    .option('--keepalive <time[/interval[/probes]]>', 'ask the peer after TIME of silence, then every INTERVAL')
    .option('--no-keepalive', 'switch keepalive off')
    .option('--user-timeout <duration>', 'give up on unacknowledged data after this time; 0: as tcp_retries2 says')
    .option('--linger2 <seconds>', 'FIN_WAIT2 after the program has closed; 0: the default, -1: none at all')
    .option('--rto-max <duration>', 'longest time between two retransmissions, 1s to 120s (Linux 6.15)')
    .option('--syn-count <n>', 'SYNs that are sent again while connecting; of a listener: SYN-ACKs');
}

const NOTHING =
  'what is to be set? give --keepalive, --no-keepalive, --user-timeout, --linger2, --rto-max or --syn-count';

/** What is to be set. @throws UserError for nothing, contradictions, and values that the kernel would refuse */
export function readWish(flags: RetuneOptionFlags, isContradictory: boolean): RetuneWish {
  if (isContradictory) throw new UserError('--keepalive and --no-keepalive exclude each other; give one');
  const wish: RetuneWish = {
    ...readKeepalive(flags.keepalive),
    ...(flags.userTimeout !== undefined && { userTimeoutMs: readUserTimeout(flags.userTimeout) }),
    ...(flags.linger2 !== undefined && { linger2Seconds: readLinger2(flags.linger2) }),
    ...(flags.rtoMax !== undefined && { rtoMaxMs: readRtoMax(flags.rtoMax) }),
    ...(flags.synCount !== undefined && { synCount: readSynCount(flags.synCount) }),
  };
  if (Object.keys(wish).length === 0) throw new UserError(NOTHING);
  return wish;
}

/** @throws UserError */
export function readPid(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UserError(`--pid ${printable(text)}: not a process id`);
}

function readKeepalive(text: string | boolean | undefined): RetuneWish {
  if (text === false) return { keepalive: false };
  if (typeof text !== 'string') return {};
  const [time, interval, probes, ...more] = text.split('/');
  if (more.length > 0)
    throw wrong('--keepalive', text, 'write TIME, TIME/INTERVAL or TIME/INTERVAL/PROBES, as in 60/10/5');
  return {
    keepalive: true,
    keepaliveIdleSeconds: wholeSeconds('--keepalive', text, 'TIME', time, RETUNE_RANGES.keepaliveIdleSeconds),
    ...(interval !== undefined && {
      keepaliveIntervalSeconds: wholeSeconds(
        '--keepalive',
        text,
        'INTERVAL',
        interval,
        RETUNE_RANGES.keepaliveIntervalSeconds,
      ),
    }),
    ...(probes !== undefined && {
      keepaliveProbes: wholeNumber('--keepalive', text, 'PROBES', probes, RETUNE_RANGES.keepaliveProbes),
    }),
  };
}

function readUserTimeout(text: string): number {
  const ms = parseDurationMs(text);
  const [, most] = RETUNE_RANGES.userTimeoutMs;
  if (ms === undefined) throw wrong('--user-timeout', text, 'not a duration; write 30s, 500ms or 2m');
  if (!Number.isInteger(ms) || ms > most) throw wrong('--user-timeout', text, `not from 0 to ${most} ms (24 days)`);
  return ms;
}

function readLinger2(text: string): number {
  if (text === '-1') return -1;
  const [, most] = RETUNE_RANGES.linger2Seconds;
  const seconds = (parseDurationMs(text) ?? Number.NaN) / 1000;
  if (Number.isInteger(seconds) && seconds <= most) return seconds;
  throw wrong('--linger2', text, `not whole seconds from 0 to ${most}, nor -1 (no FIN_WAIT2)`);
}

function readRtoMax(text: string): number {
  const [least, most] = RETUNE_RANGES.rtoMaxMs;
  const ms = parseDurationMs(text);
  if (ms !== undefined && Number.isInteger(ms) && ms >= least && ms <= most) return ms;
  throw wrong('--rto-max', text, `not a duration from ${least / 1000}s to ${most / 1000}s`);
}

function readSynCount(text: string): number {
  return wholeNumber('--syn-count', text, undefined, text, RETUNE_RANGES.synCount);
}

type Range = readonly [number, number];

function wholeSeconds(flag: string, given: string, part: string, text: string, [least, most]: Range): number {
  const seconds = (parseDurationMs(text) ?? Number.NaN) / 1000;
  if (Number.isInteger(seconds) && seconds >= least && seconds <= most) return seconds;
  throw wrong(flag, given, `${part} is not whole seconds from ${least} to ${most} (write 60, 90s or 2h)`);
}

function wholeNumber(
  flag: string,
  given: string,
  part: string | undefined,
  text: string,
  [least, most]: Range,
): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  throw wrong(flag, given, `${part ? `${part} is ` : ''}not a number from ${least} to ${most}`);
}

function wrong(flag: string, text: string, why: string): UserError {
  return new UserError(`${flag} ${printable(text)}: ${why}`);
}
