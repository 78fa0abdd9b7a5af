import type { Finding } from '../finding.ts';
import type { Forecast } from '../forecast/forecast.ts';
import { forecastSocket } from '../forecast/socket.ts';
import type { Span } from '../forecast/span.ts';
import { forecastInputOf } from '../rules/shared/forecast_input.ts';
import { groupForecast } from '../rules/shared/group_forecast.ts';
import { refsOf } from '../rules/shared/report.ts';
import { counted } from '../rules/shared/words.ts';
import { findSetting, withValue } from '../settings/catalogue.ts';
import { meaningHere, nominalSpan, spanText } from '../settings/meaning.ts';
import type { Settings, Snapshot } from '../snapshot.ts';
import type { TuningEffect } from './tuning.ts';

/** What a value of a setting is about, where it is a time. */
const CASES: Readonly<Record<string, string>> = {
  tcp_orphan_retries: 'an orphan that nobody answers',
  tcp_retries2: 'a dead peer that data was sent to is noticed',
  tcp_fin_timeout: 'an orphan in FIN_WAIT2',
  tcp_syn_retries: 'connect() without any answer',
  tcp_synack_retries: 'a half-open connection',
};

/** A change that saves less than this share of the time is not worth its risk. */
const WORTH_SHARE = 0.8;

export interface Judged {
  effects: TuningEffect[];
  /** Whether it changes anything for the better. */
  helps: boolean;
  /** Whether the sockets of the finding themselves go sooner. */
  actsOnThem: boolean;
}

/** What the value would change for the sockets of a finding, and for such sockets from now on. */
export function judge(finding: Finding, snapshot: Pick<Snapshot, 'timerHz'>, name: string, value: string): Judged {
  const { settings } = finding.namespace;
  const setting = findSetting(name);
  if (setting === undefined) return { effects: [], helps: false, actsOnThem: false };
  const changed = withValue(settings, setting, value);
  const fromNow = generalEffect(name, settings, changed, snapshot);
  if (setting.takesEffect !== 'at once' || CASES[name] === undefined) {
    const helps =
      fromNow !== undefined && (fromNow.beforeMs === undefined || isSooner(fromNow.beforeMs, fromNow.afterMs));
    return { effects: fromNow ? [fromNow] : [], helps, actsOnThem: false };
  }
  const now = socketsEffect(finding, snapshot, changed);
  const helps = now !== undefined && isSooner(now.beforeMs, now.afterMs);
  return { effects: [now, fromNow].filter((effect) => effect !== undefined), helps, actsOnThem: helps };
}

function isSooner(before: Span | undefined, after: Span | undefined): boolean {
  if (after === undefined) return false;
  return before === undefined || after.latestMs < before.latestMs * WORTH_SHARE;
}

/** The forecast of the finding's own sockets, as it is and as it would be. */
function socketsEffect(
  { namespace: place, sockets }: Finding,
  snapshot: Pick<Snapshot, 'timerHz'>,
  settings: Settings,
): TuningEffect | undefined {
  if (sockets.length === 0) return undefined;
  const refs = refsOf(
    place,
    sockets.map(({ row }) => row),
  );
  const forecastWith = (changed: Settings | undefined) =>
    groupForecast(refs, {
      forecast: ({ namespace, row }) =>
        forecastSocket(forecastInputOf(snapshot, changed ? { ...namespace, settings: changed } : namespace, row)),
    });
  const [before, after] = [forecastWith(undefined), forecastWith(settings)];
  const beforeMs = spanOf(before);
  const afterMs = spanOf(after);
  return {
    what: sockets.length === 1 ? 'this socket' : `these ${counted(sockets.length, 'socket')}`,
    before: forecastText(before),
    after: forecastText(after),
    ...(beforeMs && { beforeMs }),
    ...(afterMs && { afterMs }),
  };
}

function spanOf({ kind, earliestMs, latestMs }: Forecast): Span | undefined {
  return kind === 'at' && latestMs !== undefined ? { earliestMs: earliestMs ?? 0, latestMs } : undefined;
}

function forecastText(forecast: Forecast): string {
  const span = spanOf(forecast);
  if (span) return spanText(span);
  return forecast.kind === 'never' ? 'never' : 'no time can be told';
}

/** What holds for sockets to come. */
export function generalEffect(
  name: string,
  settings: Settings,
  changed: Settings,
  { timerHz }: Pick<Snapshot, 'timerHz'>,
): TuningEffect | undefined {
  const [beforeMs, afterMs] = [settings, changed].map((each) => nominalSpan(name, each, { timerHz }));
  const subject = CASES[name];
  if (subject !== undefined && beforeMs && afterMs) {
    return { what: `${subject}, from now on`, before: spanText(beforeMs), after: spanText(afterMs), beforeMs, afterMs };
  }
  const [before, after] = [settings, changed].map((each) =>
    meaningHere(name, each, { timerHz })?.replace(/^[^:]*: /, ''),
  );
  return before === undefined || after === undefined ? undefined : { what: 'from now on', before, after };
}
