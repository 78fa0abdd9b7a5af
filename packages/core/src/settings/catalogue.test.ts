import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { findSetting, KERNEL_SETTINGS, nearestSettings, settingValue, sysctlName, withValue } from './catalogue.ts';

describe('the settings', () => {
  it('have each a name of their own, which ends their path', () => {
    expect(new Set(KERNEL_SETTINGS.map(({ name }) => name)).size).toBe(KERNEL_SETTINGS.length);
    for (const { name, path } of KERNEL_SETTINGS) expect(path).toMatch(new RegExp(`^net/[a-z0-9]+/${name}$`));
  });

  it.each(KERNEL_SETTINGS)('$name says what it governs and what it does not, in one line each', (setting) => {
    for (const text of [setting.governs, setting.doesNotGovern, setting.risk]) expect(text).toMatch(/^[^\n]{4,}[^.]$/);
    const { sensible, range = sensible, kernelDefault } = setting;
    expect(sensible.least).toBeGreaterThanOrEqual(range.least);
    expect(sensible.most).toBeLessThanOrEqual(range.most);
    for (const number of kernelDefault?.split(' ') ?? []) {
      expect(Number(number)).toBeGreaterThanOrEqual(sensible.least);
      expect(Number(number)).toBeLessThanOrEqual(sensible.most);
    }
    expect(setting.gone === undefined).toBe(setting.until === undefined);
  });

  it.each([
    'tcp_fin_timeout',
    'net.ipv4.tcp_fin_timeout',
    'net/ipv4/tcp_fin_timeout',
    '/proc/sys/net/ipv4/tcp_fin_timeout',
    ' tcp_fin_timeout ',
  ])('are found as %s', (text) => {
    expect(findSetting(text)?.name).toBe('tcp_fin_timeout');
  });

  it.each(['', '.', 'net.ipv6.tcp_fin_timeout', 'ipv4', '../../etc/passwd', 'TCP_FIN_TIMEOUT='])(
    'are not found as "%s"',
    (text) => {
      expect(findSetting(text)).toBeUndefined();
    },
  );

  it.each([
    ['tcp_fin_timout', 'tcp_fin_timeout'],
    ['fin_timeout', 'tcp_fin_timeout'],
    ['net.ipv4.tcp_retires2', 'tcp_retries2'],
    ['net.ipv6.tcp_fin_timeout', 'tcp_fin_timeout'],
    ['keepalive', 'tcp_keepalive_time'],
    ['ip_conntrack_tcp_timeout_established', 'nf_conntrack_tcp_timeout_established'],
  ])('near %s is %s', (text, name) => {
    expect(nearestSettings(text)).toContain(name);
  });

  it('nothing is near nonsense', () => {
    expect(nearestSettings('xyz')).toEqual([]);
    expect(nearestSettings('')).toEqual([]);
  });

  it('read and take values of one and of several numbers', () => {
    const [range, timeout] = ['ip_local_port_range', 'tcp_fin_timeout'].map((name) => findSetting(name)!);
    expect(sysctlName(range)).toBe('net.ipv4.ip_local_port_range');
    const settings = withValue(withValue(DEFAULT_SETTINGS, range, '1024 2047'), timeout, '5');
    expect(settings).toMatchObject({
      ip_local_port_range_low: 1024,
      ip_local_port_range_high: 2047,
      tcp_fin_timeout: 5,
    });
    expect(settingValue(range, settings)).toBe('1024 2047');
    expect(settingValue(range, { ip_local_port_range_low: 1 })).toBeUndefined();
  });
});
