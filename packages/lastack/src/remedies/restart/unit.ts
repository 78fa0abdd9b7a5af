import { readFileSync } from 'node:fs';
import type { Effects } from '../../effects.ts';
import { systemctl } from './systemctl.ts';

const QUERY_LIMIT_MS = 10_000;

export type UnitState = { controlGroup: string } | { because: string; todo?: string };

/** The control group of a unit of the system's manager, or why there is none to restart. */
export async function lookUpUnit(effects: Effects, unit: string): Promise<UnitState> {
  const args = ['show', '--property=LoadState', '--property=ControlGroup', '--', unit];
  const { code, stdout, complaint, isMissing } = await systemctl(effects, args, { limitMs: QUERY_LIMIT_MS });
  if (isMissing) return { because: 'systemctl is not installed', todo: 'restart the service by the means of its host' };
  if (code !== 0) return { because: `systemctl does not answer: ${complaint}` };
  const property = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
  if (property('LoadState') !== 'loaded') return { because: `systemd knows no unit ${unit}` };
  const controlGroup = property('ControlGroup');
  return controlGroup === '' ? { because: `${unit} is not running` } : { controlGroup };
}

/** Whether a process runs in the unit with this control group. */
export function isInControlGroup({ procRoot }: Pick<Effects, 'procRoot'>, pid: number, controlGroup: string): boolean {
  let text: string;
  try {
    text = readFileSync(`${procRoot}/${pid}/cgroup`, 'utf8');
  } catch {
    return false;
  }
  return text.split('\n').some((line) => {
    const [, hierarchy, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy !== '' && hierarchy !== 'name=systemd') return false;
    return path === controlGroup || path.startsWith(`${controlGroup}/`);
  });
}
