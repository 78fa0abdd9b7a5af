import {
  type AgeBounds,
  type Blame,
  endpointText,
  type Forecast,
  formatDuration,
  type Owner,
  plainAddress,
  type Row,
  type Severity,
  type SocketTable,
  TcpState,
} from '@lastack/core';

/** `9412` → `9,412`. */
export function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 socket`, `2 sockets`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${thousands(value)} ${value === 1 ? one : many}`;
}

/** `10.0.0.1:80 → 10.0.0.2:4000`, this end first; a socket without another end shows only its own. */
export function connectionText(table: SocketTable, row: Row): string {
  const local = endpointText(plainAddress(table.localAddress(row)), table.localPort(row));
  const state = table.state(row);
  if (state === TcpState.LISTEN || state === TcpState.BOUND_INACTIVE || state === TcpState.CLOSE) return local;
  return `${local} → ${endpointText(plainAddress(table.remoteAddress(row)), table.remotePort(row))}`;
}

/** `node (pid 812, api.service)`. */
export function ownerText({ command, pid, unit, container }: Owner): string {
  const where = unit ?? container;
  return where === undefined ? `${command} (pid ${pid})` : `${command} (pid ${pid}, ${where})`;
}

const UNITS = [
  { name: 'days', ms: 86_400_000 },
  { name: 'hours', ms: 3_600_000 },
  { name: 'minutes', ms: 60_000 },
  { name: 'seconds', ms: 1000 },
] as const;
/** Bounds so close that a reader wants one number. */
const CLOSE_MS = 1000;
const CLOSE_SHARE = 0.02;

/**
 * Bounds on an age in words, rounded outwards: `between 4 and 6 minutes`, `at least 4 min`, `at most 6 min`,
 * `about 41 s` where the bounds nearly meet. Undefined when they say nothing.
 */
export function ageText({ fromMs, toMs }: AgeBounds): string | undefined {
  if (toMs === undefined) return fromMs >= 1 ? `at least ${durationDown(fromMs)}` : undefined;
  if (toMs < CLOSE_MS) return 'less than 1 s';
  if (toMs - fromMs <= Math.max(CLOSE_MS, toMs * CLOSE_SHARE) && fromMs >= CLOSE_MS) {
    return `about ${formatDuration(Math.round((fromMs + toMs) / 2))}`;
  }
  if (fromMs < CLOSE_MS) return `at most ${durationUp(toMs)}`;
  // The largest unit in which the lower bound still counts at least two, so that rounding outwards stays small.
  const unit = UNITS.find(({ ms }) => fromMs >= 2 * ms) ?? UNITS[UNITS.length - 1];
  const [from, to] = [Math.floor(fromMs / unit.ms), Math.ceil(toMs / unit.ms)];
  if (to > 20 * from || to > 300) return `between ${durationDown(fromMs)} and ${durationUp(toMs)}`;
  return `between ${from} and ${to} ${unit.name}`;
}

/** The step that formatDuration shows exactly, for a time of this size. */
function stepMs(ms: number): number {
  if (ms < 1000) return 1;
  if (ms < 9950) return 100;
  if (ms < 3_600_000) return 1000;
  return ms < 86_400_000 ? 60_000 : 3_600_000;
}

export function durationDown(ms: number): string {
  const step = stepMs(ms);
  return formatDuration(Math.floor(ms / step) * step);
}

export function durationUp(ms: number): string {
  const step = stepMs(ms);
  return formatDuration(Math.ceil(ms / step) * step);
}

/** `in 58 s to 1 min 1 s`; `in about 38 s` where both ends round to the same. */
function spanText(earliestMs: number, latestMs: number): string {
  if (latestMs <= 0) return 'any moment now';
  const [from, to] = [durationDown(earliestMs), durationUp(latestMs)];
  if (earliestMs < 1) return `within ${to}`;
  return from === to ? `in ${to}` : `in ${from} to ${to}`;
}

/** When a forecast says that it clears, without the reason. */
export function clearsWhen({ kind, earliestMs, latestMs, modes }: Forecast): string {
  if (kind === 'never') return 'never by itself';
  if (kind === 'unknown') return 'cannot be told';
  const times =
    modes && modes.length > 1
      ? `either ${modes.map((mode) => spanText(mode.earliestMs, mode.latestMs)).join(', or ')}`
      : latestMs === undefined
        ? undefined
        : spanText(earliestMs ?? 0, latestMs);
  if (kind === 'at') return times ?? 'at a time that is not known';
  return times === undefined ? 'no fixed time' : `no fixed time; ${times} if nothing more is heard from the peer`;
}

/** First letter in upper case, full stop at the end. */
export function sentence(text: string): string {
  const ended = /[.!?]$/.test(text) ? text : `${text}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

/** A forecast as two sentences: when it clears, and why then. */
export function forecastText(forecast: Forecast): string {
  return `${sentence(clearsWhen(forecast))} ${sentence(forecast.because)}`;
}

const BLAMES: Readonly<Record<Blame, string>> = {
  'local-app': 'a program on this host',
  'peer-app': 'the program at the other end',
  'peer-host': 'the host at the other end',
  path: 'the way there (link, router, packet filter, NAT)',
  'peer-host or path': 'the other host or the way there; what was seen does not tell which',
  'kernel-setting': 'a setting of this kernel',
  nobody: 'nobody; this is normal',
};

export function blameText(blame: Blame): string {
  return `${blame}: ${BLAMES[blame]}`;
}

export const SEVERITY_WORDS: Readonly<Record<Severity, string>> = {
  critical: 'CRITICAL',
  warning: 'WARNING',
  notice: 'NOTICE',
};
