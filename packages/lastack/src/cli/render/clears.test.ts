import { type ForecastInput, forecastSocket, TcpState, TimerCode } from '@lastack/core';
import { expect, test } from 'vitest';
import { clearsText } from './clears.ts';

const retransmitting: ForecastInput = {
  state: TcpState.ESTABLISHED,
  kind: 'full',
  timer: TimerCode.RETRANSMIT,
  timerExpiresMs: 680,
  timerRetries: 3,
  receiveQueue: 0,
  sendQueue: 100,
  timerHz: 250,
  settings: { tcp_retries2: 15, tcp_orphan_retries: 0, tcp_rto_max_ms: 120_000 },
  info: {
    ...{ retransmits: 3, probes: 0, backoff: 3, options: 7, rtoMs: 1_632, unackedSegments: 1, totalRetransmits: 3 },
    ...{ lastDataSentMs: 2_000, lastDataReceivedMs: 2_000, lastAckReceivedMs: 2_000, rttUs: 100, rttVarianceUs: 50 },
    ...{ totalRto: 3, totalRtoRecoveries: 1, totalRtoTimeMs: 2_176 },
  },
};
const plain = { keepalive: false, keepaliveIdleSeconds: 7200, keepaliveIntervalSeconds: 75, keepaliveProbes: 9 };

test('a time that an option of the program may change has a question mark, until the option was read', () => {
  expect(clearsText(forecastSocket(retransmitting))).toMatch(/^15m\d+s-15m\d+s\?$/);
  const socketOptions = { ...plain, userTimeoutMs: 0, linger2Seconds: 60, synCount: 6 };
  expect(clearsText(forecastSocket({ ...retransmitting, socketOptions }))).toMatch(/^15m\d+s-15m\d+s$/);
  // Set to a minute it ends there: that is what the question mark warns of.
  const short = { ...socketOptions, userTimeoutMs: 60_000 };
  expect(clearsText(forecastSocket({ ...retransmitting, socketOptions: short }))).toMatch(
    /^5\ds-\d+s$|^5\d-6\ds$|^58s$/,
  );
});

const probed: ForecastInput = {
  ...{ state: TcpState.ESTABLISHED, kind: 'full', timer: TimerCode.KEEPALIVE, timerExpiresMs: 5_000, timerRetries: 0 },
  ...{ receiveQueue: 0, sendQueue: 0, timerHz: 250, info: retransmitting.info },
  settings: { tcp_keepalive_time: 7200, tcp_keepalive_intvl: 75, tcp_keepalive_probes: 9 },
};

test('a peer that answers keepalive probes keeps the connection for ever: there is no bound, only one for its silence', () => {
  expect(clearsText(forecastSocket(probed))).toMatch(/^if silent <2h\d+m\?$/);
  const own = { ...plain, keepalive: true, keepaliveIdleSeconds: 7, keepaliveIntervalSeconds: 2, keepaliveProbes: 3 };
  const socketOptions = { ...own, userTimeoutMs: 0, linger2Seconds: 60, synCount: 6 };
  expect(clearsText(forecastSocket({ ...probed, socketOptions }))).toMatch(/^if silent <1\ds$/);
  // Two probes without an answer: that is a bound.
  const failing = { ...probed, timerRetries: 2, timerExpiresMs: 1_000, socketOptions };
  expect(clearsText(forecastSocket(failing))).toMatch(/^3s$|^3-\ds$/);
});

test('no question mark where no option matters', () => {
  expect(clearsText({ kind: 'never', because: '' })).toBe('never');
  expect(clearsText({ kind: 'at', earliestMs: 58_000, latestMs: 61_000, because: '' })).toBe('58-61s');
});
