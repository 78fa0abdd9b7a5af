import type { ForecastTrial } from '../scenario.ts';
import type { Ending } from './common.ts';

/** Dies after about 13 s owned (the retransmission limit) or 7 s orphaned. */
export function retransmissionTrial(ending: Ending): ForecastTrial {
  return ending === 'owned'
    ? { settings: { 'ipv4/tcp_retries2': 5 }, deathWithinMs: 45_000 }
    : { settings: { 'ipv4/tcp_orphan_retries': 3 }, deathWithinMs: 25_000 };
}

/** Unanswered probes, counted. */
export function probeTrial(ending: Ending): ForecastTrial {
  return ending === 'owned'
    ? { settings: { 'ipv4/tcp_retries2': 6 }, deathWithinMs: 60_000 }
    : { settings: { 'ipv4/tcp_orphan_retries': 4 }, deathWithinMs: 40_000 };
}

/** An orphan whose probes are answered is dropped once the interval has reached its ceiling (Linux 6.15 and later). */
export const ANSWERED_ORPHAN_TRIAL: ForecastTrial = {
  settings: { 'ipv4/tcp_rto_max_ms': 5_000 },
  deathWithinMs: 40_000,
};
