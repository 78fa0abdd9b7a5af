import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf } from './testing_input.ts';

const timeWait = inputOf({
  state: TcpState.TIME_WAIT,
  timer: TimerCode.TIME_WAIT,
  timerExpiresMs: 30_000,
  owned: false,
});

test('what was read later than the moment it counts from may happen that much later, and no sooner', () => {
  const atOnce = forecastSocket(timeWait);
  const later = forecastSocket({ ...timeWait, readWithinMs: 400 });
  expect(later).toEqual({ ...atOnce, latestMs: (atOnce.latestMs ?? 0) + 400 });
});

test('"never" stays never', () => {
  const idle = inputOf({ state: TcpState.FIN_WAIT2 });
  expect(forecastSocket({ ...idle, readWithinMs: 400 })).toEqual(forecastSocket(idle));
});

// An RTO of 204 ms: timeouts come 0.4, 1.2, 2.9, 6.1, 12.6, 25.7, 51.8 and 104.0 s after the first. tcp_orphan_retries 0
// acts as 8, which ends it at the first one from 102.2 s on.
test('a timer that fired before TCP_INFO was read does not count twice', () => {
  const before = inputOf({
    state: TcpState.FIN_WAIT1,
    owned: false,
    timer: TimerCode.RETRANSMIT,
    timerExpiresMs: 10,
    timerRetries: 4,
    sendQueue: 1,
    info: { retransmits: 4, backoff: 4, rtoMs: 3_264, totalRto: 4, totalRtoRecoveries: 1, totalRtoTimeMs: 6_110 },
    readWithinMs: 60,
  });
  const info = {
    ...before.info,
    retransmits: 5,
    backoff: 5,
    rtoMs: 6_528,
    totalRtoTimeMs: 6_170,
  } as typeof before.info;
  const between = forecastSocket({ ...before, info });
  const truthMs = 104_040 - 6_110;
  expect(holds(forecastSocket(before), truthMs + 200)).toBe(true);
  expect(holds(between, truthMs + 200)).toBe(true);
  expect((between.latestMs ?? 0) - (between.earliestMs ?? 0)).toBeLessThan(15_000);
});
