import type { Severity } from '../../finding.ts';
import { LEAK_CRITICAL, LEAK_WARNING, LEAK_WARNING_MS } from './thresholds.ts';

/** For sockets that a process keeps: they cost a descriptor each and only a person ends them. */
export function leakSeverity(count: number, oldestMs: number): Severity {
  if (count >= LEAK_CRITICAL) return 'critical';
  return count >= LEAK_WARNING || oldestMs >= LEAK_WARNING_MS ? 'warning' : 'notice';
}

/** For orphans: they cost kernel memory for a while and end by themselves. */
export function orphanSeverity(count: number): Severity {
  if (count >= 10 * LEAK_CRITICAL) return 'critical';
  return count >= 10 * LEAK_WARNING ? 'warning' : 'notice';
}
