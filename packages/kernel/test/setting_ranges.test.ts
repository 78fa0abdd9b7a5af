import { execFileSync } from 'node:child_process';
import { KERNEL_SETTINGS, settingKeys, sysctlName } from '@lastack/core';
import { labPrivilege } from '@lastack/lab';
import { describe, expect, it } from 'vitest';

/** Times are kept in ticks: how many seconds fit depends on the clock of the kernel. Fewer than at 1000 Hz fit always. */
const ANY_CLOCK_SECONDS = 2_147_483;
/** In a namespace of its own: writes `NAME VALUE` lines of its input, and says what each setting then reads, or `refused`. */
const WRITE = `while read -r name value; do
  if [ ! -e /proc/sys/$name ]; then echo "$name $value: absent"; continue; fi
  old=$(cat /proc/sys/$name)
  if (echo "$value" >/proc/sys/$name) 2>/dev/null; then echo "$name $value: $(cat /proc/sys/$name)"; else echo "$name $value: refused"; fi
  echo "$old" >/proc/sys/$name
done`;

const privilege = labPrivilege();
if (privilege.kind !== 'direct') {
  if (process.env.CI)
    throw new Error('the ranges of settings need the right to make namespaces; run the tests as root');
  process.stderr.write('the ranges of settings are not tried: run the tests as root\n');
}

interface Try {
  path: string;
  value: number;
  isTaken: boolean;
}

/** The bounds, and what lies just outside. Host-wide settings are never written. */
const tries = KERNEL_SETTINGS.flatMap((setting): Try[] => {
  const { path, scope, gone, range, parts, unit } = setting;
  if (scope === 'host' || gone || parts || !range || setting.name === 'tcp_invalid_ratelimit') return [];
  const inTicks = unit === 's';
  const [least, most] = inTicks ? [-ANY_CLOCK_SECONDS, ANY_CLOCK_SECONDS] : [range.least, range.most];
  const beyond = inTicks ? 2 ** 31 : 1;
  return [
    { path, value: least, isTaken: true },
    { path, value: most, isTaken: true },
    { path, value: setting.sensible.least, isTaken: true },
    { path, value: least - beyond, isTaken: false },
    { path, value: most + beyond, isTaken: false },
  ];
});

describe.skipIf(privilege.kind !== 'direct')('the ranges of the catalogue are those of this kernel', () => {
  const input = tries.map(({ path, value }) => `${path} ${value}\n`).join('');
  const said = () =>
    execFileSync('unshare', ['--net', 'sh', '-c', WRITE], { input, encoding: 'utf8' }).trim().split('\n');

  it('each bound is taken, and what lies beyond is refused', () => {
    const answers = said();
    expect(answers).toHaveLength(tries.length);
    const wrong = tries.flatMap(({ path, value, isTaken }, index) => {
      const answer = answers[index];
      // An older kernel, or one without connection tracking.
      if (answer === `${path} ${value}: absent`) return [];
      return answer === `${path} ${value}: ${isTaken ? value : 'refused'}` ? [] : [answer];
    });
    expect(wrong).toEqual([]);
  });

  it('a namespace shows every setting but those of the whole host', () => {
    const list = execFileSync('unshare', ['--net', 'sysctl', '-aN'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const shown = new Set(list.split('\n'));
    const missing = KERNEL_SETTINGS.filter(
      ({ since, gone, path }) => !since && !gone && !path.startsWith('net/netfilter/'),
    )
      .filter((setting) => shown.has(sysctlName(setting)) === (setting.scope === 'host'))
      .map(({ name }) => name);
    expect(missing).toEqual([]);
  });

  it('the defaults are those of a new namespace', () => {
    const read = (path: string) => `cat /proc/sys/${path} 2>/dev/null || echo absent`;
    const known = KERNEL_SETTINGS.filter(({ kernelDefault, gone }) => kernelDefault !== undefined && !gone);
    const script = known.map(({ path }) => read(path)).join('\n');
    const values = execFileSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8' }).trim().split('\n');
    const wrong = known.flatMap((setting, index) => {
      const value = values[index].replaceAll('\t', ' ');
      return value === 'absent' || value === setting.kernelDefault ? [] : [`${setting.name} ${value}`];
    });
    expect(wrong).toEqual([]);
    expect(known.every((setting) => settingKeys(setting).length === setting.kernelDefault?.split(' ').length)).toBe(
      true,
    );
  });
});
