import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { KERNEL_SETTINGS, settingKeys } from './catalogue.ts';
import { meaningHere, nominalSpan } from './meaning.ts';

/** How far apart the looks at the sockets were. */
const SAMPLED_EVERY_MS = 50;

const here = (name: string, settings: Record<string, number | undefined> = {}) =>
  meaningHere(name, { ...DEFAULT_SETTINGS, ...settings }, { timerHz: 250 });

describe('what a setting means here', () => {
  // Lives measured on Linux 6.18, seconds.
  it.each([
    ['tcp_retries2', {}, 938],
    ['tcp_orphan_retries', {}, 106.6],
    ['tcp_orphan_retries', { tcp_orphan_retries: 3 }, 6.8],
    ['tcp_orphan_retries', { tcp_rto_max_ms: 5000 }, 11.9],
    ['tcp_fin_timeout', { tcp_fin_timeout: 5 }, 5.3],
    ['tcp_fin_timeout', {}, 61.6],
    ['tcp_fin_timeout', { tcp_fin_timeout: 61 }, 2.06],
    ['tcp_fin_timeout', { tcp_fin_timeout: 90 }, 61.6],
    ['tcp_syn_retries', {}, 134],
    ['tcp_synack_retries', {}, 65],
    ['tcp_keepalive_time', { tcp_keepalive_time: 5, tcp_keepalive_intvl: 2, tcp_keepalive_probes: 3 }, 11.1],
  ])('%s %j: %d s lies inside', (name, settings, seconds) => {
    const span = nominalSpan(name, { ...DEFAULT_SETTINGS, ...settings }, { timerHz: 250 });
    expect(span?.earliestMs).toBeLessThanOrEqual(seconds * 1000);
    expect(span?.latestMs).toBeGreaterThanOrEqual(seconds * 1000 - SAMPLED_EVERY_MS);
  });

  it('is one sentence with the value', () => {
    expect(here('net.ipv4.tcp_retries2')).toMatch(
      /^tcp_retries2 = 15: a dead peer is noticed after 15 min 25 s to 17 min 27 s/,
    );
    expect(here('tcp_orphan_retries')).toMatch(/acts as 8; .* after 1 min 42 s to 3 min 27 s$/);
    expect(here('ip_local_port_range')).toBe(
      'ip_local_port_range = 32768 60999: each connect() chooses among 28232 ports for its destination',
    );
    expect(here('tcp_tw_reuse', { tcp_timestamps: 0 })).toContain('does nothing');
  });

  it('is nothing where the setting was not read or is none', () => {
    expect(meaningHere('tcp_retries2', {})).toBeUndefined();
    expect(here('tcp_tw_recycle')).toBeUndefined();
    expect(here('nonsense')).toBeUndefined();
  });

  it.each(KERNEL_SETTINGS)('never fails, whatever $name is set to', (setting) => {
    const { least, most } = setting.range ?? setting.sensible;
    for (const number of [least, -1, 0, 1, 2, 255, most].filter((one) => one >= least && one <= most)) {
      const settings = Object.fromEntries(settingKeys(setting).map((key) => [key, number]));
      expect(meaningHere(setting.name, { ...DEFAULT_SETTINGS, ...settings })).toMatch(
        /^[a-z0-9_]+ = [-\d ]+(: \S[^\n]*)?$/,
      );
    }
  });
});
