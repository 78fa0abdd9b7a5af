import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { ageBounds } from './age.ts';
import { inputOf } from './testing_input.ts';

const clocks = (sent: number, received: number, acknowledged: number) => ({
  lastDataSentMs: sent,
  lastDataReceivedMs: received,
  lastAckReceivedMs: acknowledged,
});

test('CLOSE_WAIT lies between the last ACK and the last data; measured 4058 ms against 4056', () => {
  const idle = inputOf({ state: TcpState.CLOSE_WAIT, info: clocks(9000, 9000, 4056) });
  expect(ageBounds(idle)).toEqual({ fromMs: 4052, toMs: 9004 });
  // A local send had drawn an ACK: the true age was 4058 ms.
  const sent = inputOf({ state: TcpState.CLOSE_WAIT, info: clocks(1010, 9000, 1004) });
  expect(ageBounds(sent)).toEqual({ fromMs: 1000, toMs: 9004 });
  expect(ageBounds(inputOf({ state: TcpState.CLOSE_WAIT, owned: false, info: clocks(9, 5000, 4000) }))).toEqual({
    fromMs: 3996,
    toMs: 5004,
  });
});

test('FIN_WAIT2 lies between the last ACK and the last data sent', () => {
  const input = inputOf({ state: TcpState.FIN_WAIT2, info: clocks(8000, 100, 7000) });
  expect(ageBounds(input)).toEqual({ fromMs: 6996, toMs: 8004 });
});

test('with data outstanding nothing is said on a closing socket', () => {
  for (const state of [TcpState.FIN_WAIT1, TcpState.LAST_ACK, TcpState.CLOSING])
    expect(ageBounds(inputOf({ state, timer: TimerCode.RETRANSMIT, sendQueue: 2 }))).toBeUndefined();
});

test('CLOSING may be younger than the timeouts of its FIN', () => {
  const info = { ...clocks(5000, 5000, 1000), totalRtoRecoveries: 1, totalRtoTimeMs: 3000 };
  const spec = { timer: TimerCode.RETRANSMIT, timerRetries: 3, sendQueue: 1, info };
  expect(ageBounds(inputOf({ ...spec, state: TcpState.CLOSING }))).toEqual({ fromMs: 0, toMs: 5004 });
  expect(ageBounds(inputOf({ ...spec, state: TcpState.FIN_WAIT1 }))?.fromMs).toBeGreaterThan(2900);
});

test('TIME_WAIT: at least what has run of its 60 s', () => {
  const input = inputOf({ state: TcpState.TIME_WAIT, timer: TimerCode.TIME_WAIT, timerExpiresMs: 45_000 });
  expect(ageBounds(input)).toEqual({ fromMs: 15_000 });
});

test('ESTABLISHED is at least as old as its oldest clock', () => {
  expect(ageBounds(inputOf({ info: clocks(100, 90_000, 50) }))).toEqual({ fromMs: 89_996 });
});

test('nothing is said where nothing is known', () => {
  expect(ageBounds(inputOf({ state: TcpState.LISTEN }))).toBeUndefined();
  expect(ageBounds(inputOf({ state: TcpState.CLOSE_WAIT, info: 'missing' }))).toBeUndefined();
  // A minisocket in FIN_WAIT2: its whole length is not visible.
  expect(ageBounds(inputOf({ state: TcpState.FIN_WAIT2, timer: TimerCode.TIME_WAIT }))).toBeUndefined();
  expect(ageBounds(inputOf({ state: TcpState.SYN_SENT, timer: TimerCode.NONE }))).toBeUndefined();
});
