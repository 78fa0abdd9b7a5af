import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { findSetting } from './catalogue.ts';
import { type CheckOptions, checkValue } from './check.ts';

const check = (name: string, text: string, others: Record<string, number> = {}, options?: CheckOptions) =>
  checkValue(findSetting(name)!, text, { ...DEFAULT_SETTINGS, ...others }, options);

describe('a value is taken', () => {
  it.each([
    ['tcp_fin_timeout', '15', '15'],
    ['tcp_fin_timeout', ' 60\n', '60'],
    ['tcp_fin_timeout', '120', '120'],
    ['ip_local_port_range', '15000\t61000', '15000 61000'],
    ['ip_local_port_range', '1024,65535', '1024 65535'],
    ['tcp_retries2', '15', '15'],
    ['tcp_orphan_retries', '0', '0'],
  ])('%s=%j', (name, text, value) => {
    expect(check(name, text)).toMatchObject({ ok: true, value });
  });

  it('with a caution where it does less, or more, than it says', () => {
    const cautions = (name: string, text: string, others = {}) => {
      const checked = check(name, text, others);
      return checked.ok ? checked.cautions.join() : checked;
    };
    expect(cautions('tcp_retries2', '8')).toBe('');
    expect(cautions('tcp_retries2', '5')).toContain('RFC 1122');
    // Measured: 2·(T − 60).
    expect(cautions('tcp_fin_timeout', '300')).toContain('8 min, not 300 s');
    expect(cautions('tcp_tw_reuse', '1', { tcp_timestamps: 0 })).toContain('does nothing');
    expect(cautions('nf_conntrack_tcp_timeout_established', '600')).toContain('before the first keepalive probe');
    expect(cautions('ip_local_port_range', '1024 2048')).toContain('even and end odd');
  });
});

describe('a value is refused', () => {
  it.each(['abc', '1.5', '1e3', '+5', '0x10', '010', '--5', '9 to 5', '٥'])('that is no decimal number: %s', (text) => {
    expect(check('tcp_fin_timeout', text)).toMatchObject({ ok: false, canBeForced: false });
  });

  it.each([
    ['tcp_retries2', '256'],
    ['tcp_retries2', '-1'],
    ['tcp_rto_max_ms', '999'],
    ['tcp_syn_retries', '0'],
    ['tcp_fin_timeout', '99999999999999999999'],
    ['ip_local_port_range', '80 1024'],
    ['ip_local_port_range', '60000 50000'],
    ['ip_local_port_range', '60000'],
    ['tcp_fin_timeout', '5 6'],
    ['tcp_fin_timeout', ''],
    ['tcp_tw_recycle', '1'],
  ])('that the kernel would refuse, forced or not: %s=%s', (name, text) => {
    expect(check(name, text)).toMatchObject({ ok: false, canBeForced: false });
    expect(check(name, text, {}, { force: true })).toMatchObject({ ok: false });
  });

  // Durations: measured lives of FIN_WAIT2 orphans on Linux 6.18.
  it.each([
    [61, '2 s'],
    [70, '20 s'],
    [90, '1 min'],
    [119, '1 min 58 s'],
  ])('of tcp_fin_timeout=%i, which gives %s', (timeout, real) => {
    const checked = check('tcp_fin_timeout', String(timeout));
    expect(checked).toMatchObject({ ok: false, canBeForced: true });
    expect(JSON.stringify(checked)).toContain(`last ${real}, not ${timeout} s`);
  });

  it.each([
    ['tcp_fin_timeout', '0'],
    ['tcp_keepalive_probes', '0'],
    ['tcp_keepalive_intvl', '-1'],
    ['tcp_max_tw_buckets', '0'],
    ['tcp_rfc1337', '7'],
    ['tcp_orphan_retries', '16'],
    ['tcp_rto_min_us', '119000001'],
    ['tcp_mem', '3 2 1'],
  ])('that makes no sense, unless forced: %s=%s', (name, text) => {
    const others: Record<string, number> = name === 'tcp_rto_min_us' ? { tcp_rto_max_ms: 1000 } : {};
    expect(check(name, text, others)).toMatchObject({ ok: false, canBeForced: true });
    const forced = check(name, text, others, { force: true });
    expect(forced).toMatchObject({ ok: true, value: text });
    expect(forced.ok && forced.cautions.length).toBeGreaterThan(0);
  });

  it('of a setting that is gone, with what to do instead', () => {
    expect(JSON.stringify(check('tcp_tw_recycle', '1'))).toMatch(/removed in Linux 4\.12.*NAT.*tcp_tw_reuse/);
  });
});
