import { formatDuration } from '../duration.ts';
import type { Settings } from '../snapshot.ts';
import { orphanFinWait2Ms } from '../tcp/nominal.ts';
import type { KernelSetting, RefusedValue } from './setting.ts';

/** RFC 1122, 4.2.3.5: a connection should outlast a path that is down for 100 s. */
const RFC1122_RETRIES = 8;

type Conflict = (settings: Settings) => RefusedValue | undefined;
type Caution = (settings: Settings) => string | undefined;

/** Values that the kernel takes and that do not do what one would think. By name; `settings` holds the new value. */
const CONFLICTS: Readonly<Record<string, Conflict>> = {
  tcp_fin_timeout: shortenedFinWait2,
  tcp_orphan_retries: orphansOutlastHolders,
  tcp_retries2: orphansOutlastHolders,
  tcp_rto_min_us: intervalsCross,
  tcp_rto_max_ms: intervalsCross,
  tcp_mem: ({ tcp_mem_low: low, tcp_mem_pressure: pressure, tcp_mem_high: high }) =>
    above(low, pressure) || above(pressure, high)
      ? { because: `the three limits must rise, and ${low} ${pressure} ${high} do not` }
      : undefined,
};

const CAUTIONS: Readonly<Record<string, readonly Caution[]>> = {
  tcp_fin_timeout: [prolongedFinWait2],
  tcp_retries2: [
    ({ tcp_retries2: retries }) =>
      above(RFC1122_RETRIES, retries)
        ? `with fewer than ${RFC1122_RETRIES} retries a connection does not outlast 100 s of broken path (RFC 1122)`
        : undefined,
  ],
  tcp_tw_reuse: [reuseNeedsTimestamps],
  tcp_timestamps: [reuseNeedsTimestamps],
  tcp_keepalive_time: [forgottenBeforeProbed],
  nf_conntrack_tcp_timeout_established: [forgottenBeforeProbed],
  ip_local_port_range: [
    ({ ip_local_port_range_low: low, ip_local_port_range_high: high }) =>
      low !== undefined && high !== undefined && low % 2 === high % 2
        ? 'the kernel prefers ranges that begin even and end odd, or the other way round'
        : undefined,
  ],
};

/** What the kernel itself refuses, whatever the range of each number. */
export function kernelConflictOf({ name }: KernelSetting, settings: Settings): RefusedValue | undefined {
  const { ip_local_port_range_low: low, ip_local_port_range_high: high } = settings;
  if (name !== 'ip_local_port_range' || !above(low, high)) return undefined;
  return { because: `the range ends (${high}) before it begins (${low})` };
}

/** Why this value, among the others, does not do what one would think. */
export function conflictOf({ name }: KernelSetting, settings: Settings): RefusedValue | undefined {
  return CONFLICTS[name]?.(settings);
}

/** What to know of this value among the others. */
export function cautionsOf({ name }: KernelSetting, settings: Settings): string[] {
  return (CAUTIONS[name] ?? []).map((caution) => caution(settings)).filter((text) => text !== undefined);
}

function above(left: number | undefined, right: number | undefined): boolean {
  return left !== undefined && right !== undefined && left > right;
}

/** From here on the two halves of the wait are together at least as long as the setting says. */
const FIN_TIMEOUT_WHOLE = 120;

/** What tcp_fin_timeout really gives, where that is not what it says: above 60, with 120 the one exception. */
function finWait2Surprise(settings: Settings): string | undefined {
  const { tcp_fin_timeout: seconds = 0 } = settings;
  const ms = orphanFinWait2Ms(settings);
  if (ms === undefined || ms === seconds * 1000) return undefined;
  return `tcp_fin_timeout=${seconds} makes an orphan in FIN_WAIT2 last ${formatDuration(ms)}, not ${seconds} s: above 60 the kernel waits T - 60 s twice`;
}

function shortenedFinWait2(settings: Settings): RefusedValue | undefined {
  const because = finWait2Surprise(settings);
  if (because === undefined || above(settings.tcp_fin_timeout, FIN_TIMEOUT_WHOLE)) return undefined;
  return { because, todo: `use 60 or less, or ${FIN_TIMEOUT_WHOLE}` };
}

function prolongedFinWait2(settings: Settings): string | undefined {
  return above(settings.tcp_fin_timeout, FIN_TIMEOUT_WHOLE) ? finWait2Surprise(settings) : undefined;
}

function orphansOutlastHolders({ tcp_orphan_retries: orphan, tcp_retries2: held }: Settings): RefusedValue | undefined {
  if (!above(orphan, held)) return undefined;
  return {
    because: `with tcp_orphan_retries (${orphan}) above tcp_retries2 (${held}) an orphan whose peer answers but never reads is never given up`,
  };
}

function intervalsCross({ tcp_rto_min_us: minUs, tcp_rto_max_ms: maxMs }: Settings): RefusedValue | undefined {
  if (minUs === undefined || maxMs === undefined || minUs <= maxMs * 1000) return undefined;
  return { because: `the shortest interval (${minUs} µs) would exceed the longest (tcp_rto_max_ms = ${maxMs})` };
}

function reuseNeedsTimestamps({ tcp_tw_reuse: reuse, tcp_timestamps: timestamps }: Settings): string | undefined {
  if (timestamps !== 0 || !reuse) return undefined;
  return `tcp_tw_reuse=${reuse} does nothing while tcp_timestamps is 0`;
}

function forgottenBeforeProbed({
  tcp_keepalive_time: idle,
  nf_conntrack_tcp_timeout_established: tracked,
}: Settings): string | undefined {
  if (!above(idle, tracked)) return undefined;
  return `connection tracking forgets an idle connection after ${tracked} s, before the first keepalive probe (${idle} s)`;
}
