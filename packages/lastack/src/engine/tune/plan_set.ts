import {
  checkValue,
  findSetting,
  type KernelSetting,
  meaningHere,
  nearestSettings,
  type Settings,
  withValue,
} from '@lastack/core';
import {
  checkSysctlWritable,
  KernelError,
  type NamespaceRef,
  readSettings,
  readSysctl,
  readTimerHz,
} from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { absenceOf } from './absent.ts';
import { findNamespace, insideOrRefuse, isHostsOwn, namespaceText } from './place.ts';

export interface SetRequest {
  /** `NAME=VALUE`; blanks around the `=` may have made several words of it. */
  words: readonly string[];
  netns?: string;
  force: boolean;
  persist: boolean;
}

/** One setting to be changed, checked and read. */
export interface PlannedSetting {
  setting: KernelSetting;
  before: string;
  after: string;
  cautions: readonly string[];
  meaningBefore?: string;
  meaningAfter?: string;
}

export interface SetPlan {
  namespace: NamespaceRef;
  items: readonly PlannedSetting[];
  persist: boolean;
}

/**
 * Checks everything before anything is changed: names, values, that they fit each other, that they are there and may be
 * written. @throws UserError with one line for each that does not pass; KernelError
 */
export function planSet(effects: Effects, { words, netns, force, persist }: SetRequest): SetPlan {
  const wanted = readAssignments(words);
  const namespace = findNamespace(effects, netns);
  if (persist && !isHostsOwn(namespace)) {
    throw new UserError(
      `--persist: files are applied to the host's own network namespace when it starts, and ${namespaceText(namespace)} is another; set it in what starts the container or namespace, and leave --persist out`,
      Exit.NOT_POSSIBLE,
    );
  }
  const items = insideOrRefuse(effects, namespace, () => planHere(effects, namespace, wanted, force));
  return { namespace, items, persist };
}

interface Assignment {
  setting: KernelSetting;
  text: string;
}

/**
 * One text for each setting, with no blanks around its `=`: people write them there, as sysctl(8) files do. A value goes on
 * over numbers, for settings that take two; a letter or a slash begins the next name.
 */
function splitAssignments(text: string): string[] {
  const joined = text
    .trim()
    .replace(/\s+=/g, '=')
    // What is followed by `NAME=` has no value, and takes none of its neighbour.
    .replace(/=\s+(?!\s|[^\s=]+=)/g, '=');
  return joined.split(/\s+(?=[a-z/])/i);
}

/** @throws UserError */
function readAssignments(words: readonly string[]): Assignment[] {
  const assignments = splitAssignments(words.join(' ')).map((word): Assignment => {
    const equals = word.indexOf('=');
    const [name, ...rest] = equals < 0 ? word.split(/\s+/) : [word.slice(0, equals)];
    if (name === '') throw new UserError(`'${word}' names no setting; write NAME=VALUE`);
    const setting = findSetting(name);
    if (!setting) throw new UserError(unknownSetting(name));
    if (equals < 0) throw new UserError(noValue(name, rest.join(' '), setting));
    return { setting, text: word.slice(equals + 1) };
  });
  const names = assignments.map(({ setting }) => setting.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UserError(`${twice} is given twice; give it once`);
  return assignments;
}

function noValue(name: string, value: string, { name: known, kernelDefault }: KernelSetting): string {
  if (value === '') return `${name}: no value; write for example ${known}=${kernelDefault ?? 'N'}`;
  const assignment = `${known}=${value}`;
  return `${name}: no = before the value; write ${value.includes(' ') ? `'${assignment}'` : assignment}`;
}

export function unknownSetting(name: string): string {
  const near = nearestSettings(name);
  const help = near.length > 0 ? `did you mean ${near.join(', ')}?` : '`lastack tune` lists them';
  return `'${name}' is none of the settings that govern how connections end; ${help}`;
}

/** In the namespace. @throws UserError, KernelError */
function planHere(
  effects: Effects,
  { label }: NamespaceRef,
  wanted: readonly Assignment[],
  force: boolean,
): PlannedSetting[] {
  const settings = readSettings(effects);
  const timerHz = readTimerHz(effects.libc());
  // Each value is judged among what the others will be, in whatever order they stand.
  const others = wanted.reduce<Settings>(withWanted, settings);
  const refusals: { line: string; code: number }[] = [];
  const items = wanted.flatMap(({ setting, text }): PlannedSetting[] => {
    const checked = checkValue(setting, text, others, { force });
    if (setting.gone || !checked.ok) {
      const line =
        setting.gone || checked.ok ? absenceOf(setting, effects, label) : refusalLine(setting, text, checked);
      refusals.push({ line, code: setting.gone ? Exit.NOT_POSSIBLE : Exit.USAGE });
      return [];
    }
    const before = presentValue(effects, setting.path);
    if (before === undefined) {
      refusals.push({ line: absenceOf(setting, effects, label), code: Exit.NOT_POSSIBLE });
      return [];
    }
    checkSysctlWritable(effects.procRoot, setting.path);
    return [
      {
        setting,
        before,
        after: checked.value,
        cautions: checked.cautions,
        meaningBefore: meaningHere(setting.name, settings, { timerHz }),
        meaningAfter: meaningHere(setting.name, others, { timerHz }),
      },
    ];
  });
  const [first] = refusals;
  if (first) throw new UserError(refusals.map(({ line }) => line).join('\nlastack: '), first.code);
  return items;
}

function withWanted(settings: Settings, { setting, text }: Assignment): Settings {
  const checked = checkValue(setting, text, settings, { force: true });
  return checked.ok ? withValue(settings, setting, checked.value) : settings;
}

interface Refused {
  because: string;
  todo?: string;
  canBeForced: boolean;
}

function refusalLine({ name }: KernelSetting, text: string, { because, todo, canBeForced }: Refused): string {
  const help = [todo, canBeForced ? '--force sets it all the same' : undefined].filter((one) => one !== undefined);
  return [`${name}=${text.trim()} refused: ${because}`, ...help].join('; ');
}

/** undefined when the namespace shows no such setting. @throws KernelError */
function presentValue({ procRoot }: Effects, path: string): string | undefined {
  try {
    return readSysctl(procRoot, path);
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
