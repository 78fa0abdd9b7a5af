import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { forecastNeedsInfo } from './needs_info.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { inputOf } from './testing_input.ts';

test('TIME_WAIT: 60 s and up to one granule; a stopwatch said 61.58 s', () => {
  const forecast = forecastSocket(
    inputOf({ state: TcpState.TIME_WAIT, timer: TimerCode.TIME_WAIT, timerExpiresMs: 60_000, info: 'missing' }),
  );
  expect(forecast).toEqual({ kind: 'at', earliestMs: 60_000, latestMs: 62_052, because: Because.timeWait });
});

test('TIME_WAIT that shows 0 ms may last another granule (measured: about 1.5 s)', () => {
  const input = inputOf({ state: TcpState.TIME_WAIT, timer: TimerCode.TIME_WAIT, timerExpiresMs: 0 });
  expect(forecastSocket(input)).toMatchObject({ earliestMs: 0, latestMs: 2052 });
  expect(forecastSocket({ ...input, timerHz: undefined }).latestMs).toBeGreaterThan(5000);
});

test.each([
  [TcpState.ESTABLISHED, true, Because.idle],
  [TcpState.ESTABLISHED, false, Because.unaccepted],
  [TcpState.CLOSE_WAIT, true, Because.closeWait],
  [TcpState.CLOSE_WAIT, false, Because.unaccepted],
  [TcpState.FIN_WAIT2, true, Because.finWait2Held],
  [TcpState.FIN_WAIT1, false, Because.immortal],
  [TcpState.LAST_ACK, false, Because.immortal],
  [TcpState.CLOSING, false, Because.immortal],
  [TcpState.FIN_WAIT1, true, Because.noTimer],
  [TcpState.LISTEN, true, Because.listen],
  [TcpState.BOUND_INACTIVE, true, Because.bound],
  [TcpState.CLOSE, true, Because.bound],
])('state %d without a timer, owned %s: never', (state, owned, because) => {
  expect(forecastSocket(inputOf({ state, owned, info: 'missing' }))).toEqual({ kind: 'never', because });
});

test('a timer or state that no rule knows is unknown', () => {
  for (const spec of [{ timer: 9 }, { state: 99, timer: 77 }, { state: TcpState.SYN_RECV, owned: false }])
    expect(forecastSocket(inputOf(spec))).toEqual({ kind: 'unknown', because: Because.noRule });
  const slowFinWait1 = inputOf({ state: TcpState.FIN_WAIT1, owned: false, timer: TimerCode.KEEPALIVE });
  expect(forecastSocket(slowFinWait1).kind).toBe('unknown');
});

test('the working is given only when asked for', () => {
  const input = inputOf({ state: TcpState.FIN_WAIT1, owned: false, timer: TimerCode.RETRANSMIT, timerExpiresMs: 204 });
  expect(forecastSocket(input).steps).toBeUndefined();
  const { steps, ...rest } = forecastSocket(input, { explain: true });
  expect(steps?.at(-1)).toContain('gives up');
  expect(rest).toEqual(forecastSocket(input));
});

test('INFO is asked for exactly where its absence changes the forecast', () => {
  for (const state of Object.values(TcpState))
    for (const timer of Object.values(TimerCode))
      for (const owned of [true, false]) {
        const input = inputOf({ state, timer, owned, timerExpiresMs: 1000, info: 'missing' });
        const lacking = forecastSocket(input).because === Because.noInfo;
        if (lacking) expect(forecastNeedsInfo(state, input.kind, timer)).toBe(true);
      }
  expect(forecastNeedsInfo(TcpState.TIME_WAIT, 'minisocket', TimerCode.TIME_WAIT)).toBe(false);
  expect(forecastNeedsInfo(TcpState.CLOSE_WAIT, 'full', TimerCode.NONE)).toBe(false);
  expect(forecastNeedsInfo(TcpState.SYN_RECV, 'request', TimerCode.RETRANSMIT)).toBe(false);
});
