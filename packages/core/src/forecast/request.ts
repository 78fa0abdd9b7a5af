import type { Forecast } from './forecast.ts';
import type { ForecastInput, Working } from './input.ts';
import { Because, unknown } from './reasons.ts';
import { INITIAL_RTO_MS, rtoMaxMs } from './rto_model.ts';
import { timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';

/** A half-open request: the SYN-ACK is sent again after 1, 2, 4 … s, and the timeout after the last one ends it. */
export function forecastRequest(input: ForecastInput, steps: Working): Forecast {
  const { timerExpiresMs: dueMs, timerRetries: sent, timerHz: hz } = input;
  const retries = input.settings.tcp_synack_retries;
  if (retries === undefined) return unknown(Because.noSettings);
  const maxMs = rtoMaxMs(input);
  let earliestMs = dueMs;
  let latestMs = dueMs + granuleMs(Math.max(dueMs, requestTimeoutMs(sent, maxMs)), hz);
  for (let i = sent + 1; i <= retries; i++) {
    const timeoutMs = requestTimeoutMs(i, maxMs);
    earliestMs += timeoutMs;
    latestMs += timeoutMs + granuleMs(timeoutMs, hz);
  }
  steps?.push(`the SYN-ACK was sent again ${sent} times of ${retries}; each wait is twice the one before, from 1 s`);
  return timed('at', Because.synReceived, [{ earliestMs, latestMs }]);
}

/** How long the kernel waits after the `sent`th repetition of a SYN-ACK. */
export function requestTimeoutMs(sent: number, maxMs: number): number {
  return Math.min(INITIAL_RTO_MS * 2 ** sent, maxMs);
}
