import fc from 'fast-check';
import { expect, test } from 'vitest';
import { socketKind } from '../tcp/kind.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { ageBounds } from './age.ts';
import type { ForecastInput } from './input.ts';
import { forecastSocket } from './socket.ts';
import { QUIET_INFO } from './testing_input.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u32 = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 0, max: 0xffff_ffff }));

const info = fc
  .record({
    backoff: u8,
    rtoMs: u32,
    lastDataSentMs: u32,
    lastDataReceivedMs: u32,
    lastAckReceivedMs: u32,
    rttUs: u32,
    rttVarianceUs: u32,
    sendWindow: fc.option(u32, { nil: undefined }),
    totalRtoRecoveries: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    totalRtoTimeMs: fc.option(u32, { nil: undefined }),
  })
  .map((changed) => ({ ...QUIET_INFO, ...changed }));

const settings = fc
  .record(Object.fromEntries(Object.keys(DEFAULT_SETTINGS).map((name) => [name, fc.option(u8, { nil: undefined })])))
  .map((changed) => ({ ...DEFAULT_SETTINGS, ...changed, tcp_rto_max_ms: 120_000 }));

const socketOptions = fc.record({
  userTimeoutMs: u32,
  keepalive: fc.boolean(),
  keepaliveIdleSeconds: fc.integer({ min: 1, max: 32_767 }),
  keepaliveIntervalSeconds: fc.integer({ min: 1, max: 32_767 }),
  keepaliveProbes: fc.integer({ min: 1, max: 127 }),
  linger2Seconds: fc.integer({ min: -1, max: 120 }),
  synCount: fc.integer({ min: 0, max: 127 }),
  rtoMaxMs: fc.option(fc.integer({ min: 1000, max: 120_000 }), { nil: undefined }),
});

const anyInput: fc.Arbitrary<ForecastInput> = fc
  .record({
    state: fc.integer({ min: 0, max: 14 }),
    timer: fc.integer({ min: 0, max: 5 }),
    inode: fc.integer({ min: 0, max: 1 }),
    timerExpiresMs: u32,
    timerRetries: u8,
    receiveQueue: u32,
    sendQueue: u32,
    info: fc.option(info, { nil: undefined }),
    settings,
    socketOptions: fc.option(socketOptions, { nil: undefined }),
    timerHz: fc.constantFrom(undefined, 100, 250, 300, 1000),
  })
  .map(({ inode, ...rest }) => ({ ...rest, kind: socketKind(rest.state, rest.timer, inode) }));

test('whatever the kernel reports, a forecast is well formed', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const { kind, earliestMs, latestMs, because, modes } = forecastSocket(input);
      expect(because).not.toBe('');
      if (kind === 'at') expect([earliestMs, latestMs]).not.toContain(undefined);
      if (kind === 'never' || kind === 'unknown') expect([earliestMs, latestMs]).toEqual([undefined, undefined]);
      for (const ms of [earliestMs, latestMs]) if (ms !== undefined) expect(Number.isFinite(ms) && ms >= 0).toBe(true);
      if (earliestMs !== undefined && latestMs !== undefined) expect(earliestMs).toBeLessThanOrEqual(latestMs);
      if (modes === undefined) return;
      expect(modes.length).toBeGreaterThan(1);
      expect([modes[0].earliestMs, modes.at(-1)?.latestMs]).toEqual([earliestMs, latestMs]);
      for (let i = 1; i < modes.length; i++) expect(modes[i].earliestMs).toBeGreaterThan(modes[i - 1].latestMs);
    }),
    { numRuns: 2000 },
  );
});

test('whatever the kernel reports, age bounds are well formed', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const age = ageBounds(input);
      if (age === undefined) return;
      expect(Number.isFinite(age.fromMs) && age.fromMs >= 0).toBe(true);
      if (age.toMs !== undefined) expect(age.toMs).toBeGreaterThanOrEqual(age.fromMs);
    }),
    { numRuns: 2000 },
  );
});
