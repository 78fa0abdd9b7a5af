import { formatDuration } from '../duration.ts';
import type { Settings } from '../snapshot.ts';
import type { Governor } from './meaning.ts';
import {
  heldMs,
  keepaliveMs,
  orphanFinWait2Ms,
  orphanMs,
  orphanZeroWindowMs,
  synRecvMs,
  synSentMs,
} from './nominal.ts';

/** Settings that older kernels lack, with what held before there was a choice. */
const BEFORE_THERE_WAS_A_SETTING: Readonly<Record<string, string>> = {
  tcp_rto_max_ms: '120000, fixed on this kernel',
  tcp_syn_linear_timeouts: '0, not on this kernel',
};
const UNKNOWN = 'not readable here';

function length(ms: number | undefined): string {
  return ms === undefined ? `a time that is ${UNKNOWN}` : formatDuration(ms);
}

function finWait2(settings: Settings): string {
  const { tcp_fin_timeout: timeout } = settings;
  const ms = orphanFinWait2Ms(settings);
  if (timeout === undefined || ms === undefined) {
    return `tcp_fin_timeout (${UNKNOWN}): that many seconds up to 60; above 60, 2 x (T - 60).`;
  }
  const seconds = ms / 1000;
  if (timeout <= 60) return `${seconds} s.`;
  const surprise = seconds === timeout ? '' : `, not the ${timeout} s that tcp_fin_timeout says`;
  return `2 x (${timeout} - 60) = ${seconds} s${surprise}.`;
}

function orphanRetries(settings: Settings): string {
  const { tcp_orphan_retries: retries } = settings;
  if (retries === undefined) return UNKNOWN;
  return retries === 0 ? '0, which acts as 8 until the interval has reached its maximum' : String(retries);
}

function orphanZeroWindow(settings: Settings): string {
  const ms = orphanZeroWindowMs(settings);
  if (ms !== undefined) {
    return `Given up although answered, when the probe interval has reached its maximum: about ${formatDuration(ms)}, more on a slow path.`;
  }
  const { tcp_orphan_retries: retries, tcp_retries2: held } = settings;
  if (retries !== undefined && held !== undefined && retries > held) {
    return 'Never: tcp_orphan_retries is above tcp_retries2, so answered probes never run out.';
  }
  return 'Given up although answered, once the probe interval has backed off far enough.';
}

const LENGTHS: Readonly<Record<string, (settings: Settings) => string>> = {
  held: (settings) => length(heldMs(settings)),
  orphan: (settings) => length(orphanMs(settings)),
  orphanRetries,
  orphanZeroWindow,
  finWait2,
  synSent: (settings) => length(synSentMs(settings)),
  synRecv: (settings) => length(synRecvMs(settings)),
  keepalive: (settings) => length(keepaliveMs(settings)),
};

/** A governor with the host's values filled in. */
export interface ResolvedGovernor {
  when: string;
  text: string;
  settings: readonly { name: string; value: number | undefined; shown: string }[];
}

/** Value of a setting as text; what held before it existed, or that it could not be read. */
export function shownSetting(name: string, settings: Settings): string {
  const value = settings[name];
  return value === undefined ? (BEFORE_THERE_WAS_A_SETTING[name] ?? UNKNOWN) : String(value);
}

/** Fills a governor's template with this host's values. Throws on a name in `{=…}` that does not exist. */
export function resolveGovernor(governor: Governor, settings: Settings): ResolvedGovernor {
  const text = governor.text.replace(/\{(=?)(\w+)\}/g, (_, computed: string, name: string) => {
    if (!computed) return shownSetting(name, settings);
    const work = LENGTHS[name];
    if (!work) throw new Error(`no length is called ${name}`);
    return work(settings);
  });
  return {
    when: governor.when,
    text,
    settings: governor.settings.map((name) => ({ name, value: settings[name], shown: shownSetting(name, settings) })),
  };
}
