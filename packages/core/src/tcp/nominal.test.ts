import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import {
  heldMs,
  keepaliveMs,
  orphanFinWait2Ms,
  orphanMs,
  orphanZeroWindowMs,
  synRecvMs,
  synSentMs,
} from './nominal.ts';

const settings = (overrides: Record<string, number | undefined>) => ({ ...DEFAULT_SETTINGS, ...overrides });

// Expected values: the kernel's ip-sysctl document (924.6 s for 15 retries, 63 s for 5, 127 s for 6 without linear
// timeouts), else measured on Linux 6.18; a measured life is never shorter than the nominal one.
describe('nominal lengths', () => {
  it('gives up a held socket after 924.6 s by default', () => {
    expect(heldMs(DEFAULT_SETTINGS)).toBe(924_600);
  });

  it('gives up an orphan earlier, and much earlier with a small maximal interval', () => {
    expect(orphanMs(DEFAULT_SETTINGS)).toBe(102_200);
    expect(orphanMs(settings({ tcp_orphan_retries: 3 }))).toBe(3000);
    const short = orphanMs(settings({ tcp_rto_max_ms: 5000 }));
    expect(short).toBeGreaterThan(10_500);
    expect(short).toBeLessThanOrEqual(11_900);
  });

  it('knows the answered zero window of an orphan only for the default', () => {
    const length = orphanZeroWindowMs(DEFAULT_SETTINGS);
    expect(length).toBeGreaterThan(320_000);
    expect(length).toBeLessThanOrEqual(339_000);
    expect(orphanZeroWindowMs(settings({ tcp_orphan_retries: 3 }))).toBeUndefined();
  });

  it.each([
    [5, 5],
    [60, 60],
    [61, 2],
    [70, 20],
    [90, 60],
    [100, 80],
    [120, 120],
  ])('FIN_WAIT2 without owner at tcp_fin_timeout %i: %i s', (timeout, seconds) => {
    expect(orphanFinWait2Ms(settings({ tcp_fin_timeout: timeout }))).toBe(seconds * 1000);
  });

  it('counts SYNs with and without linear timeouts, and under a small maximal interval', () => {
    expect(synSentMs(DEFAULT_SETTINGS)).toBe(131_000);
    expect(synSentMs(settings({ tcp_syn_linear_timeouts: undefined }))).toBe(127_000);
    expect(synSentMs(settings({ tcp_rto_max_ms: 5000 }))).toBe(31_000);
    expect(synRecvMs(DEFAULT_SETTINGS)).toBe(63_000);
  });

  it('adds keepalive up', () => {
    expect(keepaliveMs(DEFAULT_SETTINGS)).toBe(7_875_000);
  });

  it('treats tcp_rto_max_ms of older kernels as 120 s and any other unread setting as unknown', () => {
    expect(heldMs(settings({ tcp_rto_max_ms: undefined }))).toBe(924_600);
    for (const length of [heldMs, orphanMs, orphanZeroWindowMs, orphanFinWait2Ms, synSentMs, synRecvMs, keepaliveMs]) {
      expect(length({})).toBeUndefined();
    }
    expect(keepaliveMs({ tcp_keepalive_time: 1 })).toBeUndefined();
  });
});
