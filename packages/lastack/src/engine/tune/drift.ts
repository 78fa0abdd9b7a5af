import { KERNEL_SETTINGS, type KernelSetting, settingValue } from '@lastack/core';
import { decidingLine, type NamespaceRef, readSettings, readSysctlFiles, type SysctlLine } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { keptFile, keptSettings } from '../../journal/kept_settings.ts';
import { insideOrRefuse } from './place.ts';

/** Where a value at boot comes from. */
export interface BootValue {
  value: string;
  file: string;
  line: number;
}

/** A setting whose running value, value in our file, and value at boot are not one. */
export interface Drift {
  setting: KernelSetting;
  running?: string;
  /** What our own file says; absent when it says nothing. */
  kept?: string;
  /** What decides at boot, ours or another's; absent when no file says anything: then the kernel's default holds. */
  boot?: BootValue;
  /** What `sysctl --system` of procps makes of it, where that is another value: it reads /etc/sysctl.conf last. */
  procps?: BootValue;
  because: string;
  todo: string;
}

export interface DriftReport {
  drifts: Drift[];
  /** Files that could not be read: what they say is missing. */
  unreadable: readonly { file: string; because: string }[];
}

/** Compares the running values of the host's namespace with what its files say. @param root below which /etc is */
export function findDrift(effects: Effects, namespace: NamespaceRef, root: string): DriftReport {
  const settings = insideOrRefuse(effects, namespace, () => readSettings(effects));
  const { lines, unreadable } = readSysctlFiles(root, { withProcps: false });
  const procpsLines = readSysctlFiles(root, { withProcps: true }).lines;
  const kept = new Map(keptSettings(root).map(({ name, value }) => [name, value]));
  const drifts = KERNEL_SETTINGS.flatMap((setting): Drift[] => {
    const state = {
      setting,
      running: settingValue(setting, settings),
      kept: kept.get(setting.path),
      boot: bootValue(decidingLine(lines, setting.path)),
      procps: bootValue(decidingLine(procpsLines, setting.path)),
    };
    const judged = judge(state, keptFile(root));
    return judged ? [{ ...withoutUndefined(state), ...judged }] : [];
  });
  return { drifts, unreadable };
}

/** The line that will win over our file at boot for this setting, where another's does. */
export function overriddenBy(root: string, setting: KernelSetting, value: string): BootValue | undefined {
  return [false, true]
    .map((withProcps) => bootValue(decidingLine(readSysctlFiles(root, { withProcps }).lines, setting.path)))
    .find((boot) => boot !== undefined && boot.file !== keptFile(root) && !isSameValue(boot.value, value));
}

type State = Pick<Drift, 'setting' | 'running' | 'kept' | 'boot' | 'procps'>;

function judge(
  { setting, running, kept, boot, procps }: State,
  own: string,
): Pick<Drift, 'because' | 'todo'> | undefined {
  const { name } = setting;
  const place = (value: BootValue) => `${value.file} line ${value.line}`;
  const winner = [boot, procps].find(
    (one) => one && one.file !== own && kept !== undefined && !isSameValue(one.value, kept),
  );
  if (winner && kept !== undefined) {
    return {
      because: `${place(winner)} is applied after ${own} and sets ${winner.value}`,
      todo: `change or remove that line, or take the value out of ${own}: it has no effect at boot`,
    };
  }
  if (running === undefined) {
    if (!boot || setting.gone)
      return boot && { because: `${place(boot)} sets it, and this kernel does not have it`, todo: 'remove that line' };
    return undefined;
  }
  if (boot && !isSameValue(boot.value, running)) {
    return {
      because: `it runs with ${running}, and at the next start ${place(boot)} sets ${boot.value}`,
      todo: keepOrReturn(name, running, boot.value),
    };
  }
  if (!boot && setting.kernelDefault !== undefined && !isSameValue(setting.kernelDefault, running)) {
    return {
      because: `it runs with ${running}, and no file keeps it: after the next start it is ${setting.kernelDefault}, the kernel's default`,
      todo: keepOrReturn(name, running, setting.kernelDefault),
    };
  }
  if (boot && procps && !isSameValue(boot.value, procps.value)) {
    return {
      because: `${place(boot)} sets ${boot.value} at boot, and \`sysctl --system\` ends with ${procps.value} from ${place(procps)}`,
      todo: 'make the two agree',
    };
  }
  return undefined;
}

function keepOrReturn(name: string, running: string, boot: string): string {
  return `to keep it: lastack tune set ${assignment(name, running)} --persist; to return: lastack tune set ${assignment(name, boot)}`;
}

function assignment(name: string, value: string): string {
  return value.includes(' ') ? `'${name}=${value}'` : `${name}=${value}`;
}

function bootValue(line: SysctlLine | undefined): BootValue | undefined {
  if (line?.value === undefined) return undefined;
  return { value: line.value, file: line.file, line: line.line };
}

/** The kernel stops at the first thing that is no number: `3 # so` sets 3. */
function isSameValue(left: string, right: string): boolean {
  const numbers = (text: string) => /^(?:-?\d+\s*)*/.exec(text)?.[0].trim().replaceAll(/\s+/g, ' ');
  return left === right || (numbers(left) !== '' && numbers(left) === numbers(right));
}

function withoutUndefined(state: State): State {
  const { boot, procps } = state;
  const differs = boot && procps && !isSameValue(boot.value, procps.value);
  const kept = { ...state, procps: differs || (!boot && procps) ? procps : undefined };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)) as unknown as State;
}
