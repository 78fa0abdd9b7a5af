import { TimerCode } from '../tcp/kind.ts';
import type { ForecastInput } from './input.ts';
import { probeIntervalMs } from './probe_run.ts';
import { rtoMaxMs } from './rto_model.ts';

export type ProbeAnswers = 'answered' | 'unanswered' | 'cannot-tell';

/** An answer that has not come after this time (and two round trips) counts as missing. */
const ANSWER_MS = 1000;

/** Whether a probe sent so long ago would have been answered by now. */
export function answerOverdue(sinceProbeMs: number, rttUs: number): boolean {
  return sinceProbeMs > Math.max(ANSWER_MS, (2 * rttUs) / 1000);
}

/** Whether a peer with a closed window answers the probes. `cannot-tell` also where no probe timer runs. */
export function zeroWindowPeerAlive(input: ForecastInput): ProbeAnswers {
  return input.timer === TimerCode.ZERO_WINDOW_PROBE ? probesAnswered(input) : 'cannot-tell';
}

/** Every answer sets the count of outstanding probes back to 0, but not the backoff. */
export function probesAnswered(input: ForecastInput): ProbeAnswers {
  const { info, timerRetries: outstanding } = input;
  if (outstanding > 1) return 'unanswered';
  if (info === undefined) return 'cannot-tell';
  if (outstanding === 0) return info.backoff > 0 ? 'answered' : 'cannot-tell';
  const intervalMs = probeIntervalMs(info.backoff, { rtoMs: info.rtoMs, rtoMaxMs: rtoMaxMs(input) });
  return answerOverdue(intervalMs - input.timerExpiresMs, info.rttUs) ? 'unanswered' : 'cannot-tell';
}
