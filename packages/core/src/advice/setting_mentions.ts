import { findSetting, sysctlName } from '../settings/catalogue.ts';
import type { KernelSetting } from '../settings/setting.ts';
import type { ForeignSetting } from './foreign/foreign_setting.ts';
import { FOREIGN_SETTINGS, foreignTitle, judgeForeign } from './foreign/judge_foreign.ts';
import type { AdviceJudgement } from './judgement.ts';
import type { Mention } from './mention.ts';
import { judgeOtherSetting, judgeRenamed, otherSetting, renamedTo } from './other_settings.ts';
import { judgeSetting, numbersOf } from './setting_advice.ts';

const NAME = /\/?[_a-z][a-z0-9_]*(?:[./][a-z0-9_-]+)*/g;
const LONGEST_NAME = 120;
/** How much of the text beside a name is looked at for its value and its command. */
const BESIDE = 100;

const FOREIGN_BY_NAME: ReadonlyMap<string, ForeignSetting> = new Map(
  FOREIGN_SETTINGS.map((setting) => [setting.name.toLowerCase(), setting]),
);

/** A name that may be a setting's, with what stands beside it. */
export interface NamePlace {
  name: string;
  start: number;
  end: number;
}

export function namesIn(lower: string): NamePlace[] {
  return [...lower.matchAll(NAME)]
    .filter(([name]) => name.length <= LONGEST_NAME)
    .map((match) => ({ name: match[0], start: match.index, end: match.index + match[0].length }));
}

/** Every setting that the text names, of this system or of another, with the value it is to get. */
export function settingMentions(lower: string, names: readonly NamePlace[]): Mention[] {
  return names.flatMap((place) => {
    const mention = mentionOf(lower, place);
    return mention ? [mention] : [];
  });
}

/** At most so many words name one setting. */
const MOST_WORDS = 5;

/** A text that is nothing but the name of a setting as it is spoken: `fin timeout`, `SYN cookies`. */
export function spelledSetting(lower: string): Mention[] {
  const text = lower.replace(/[\s?!.]{1,20}$/, '');
  const words = text.trim().split(/[\s_-]+/);
  if (words.length > MOST_WORDS || !words.every((word) => /^[a-z0-9]{1,30}$/.test(word))) return [];
  const names = [words.join('_'), words.join('')].flatMap((name) => [name, `tcp_${name}`]);
  const [mention] = names.flatMap((name) => settingMentions(name, namesIn(name)));
  return mention ? [{ ...mention, start: 0, end: text.length }] : [];
}

function mentionOf(lower: string, { name, start, end }: NamePlace): Mention | undefined {
  const before = lower.slice(Math.max(0, start - BESIDE), start);
  const after = lower.slice(end, end + BESIDE);
  const known = findSetting(name) ?? findSetting(name.split('/')[0]);
  if (known) return placed(ofCatalogue(known), before, after, start, end, numbersOf(known));
  const foreign = FOREIGN_BY_NAME.get(name) ?? FOREIGN_BY_NAME.get(`tcp${name}`);
  if (foreign && (!foreign.needsCommand || AIX_COMMAND.test(before)))
    return placed(ofForeign(foreign), before, after, start, end, 1);
  const last = name.split(/[./]/).at(-1) ?? '';
  if (renamedTo(last) !== undefined) return placed(ofOther(last, judgeRenamed), before, after, start, end, 1);
  return otherSetting(last) === undefined
    ? undefined
    : placed(ofOther(last, judgeOtherSetting), before, after, start, end, 3);
}

type Recognised = Pick<Mention, 'id' | 'group' | 'recognisedAs' | 'judge' | 'settings' | 'here'>;

function ofCatalogue(setting: KernelSetting): Recognised {
  return {
    id: setting.name,
    group: 'settings',
    recognisedAs: `the kernel setting ${sysctlName(setting)}`,
    judge: (context) => judgeSetting(setting, context),
    settings: [setting.name],
    here: undefined,
  };
}

function ofForeign(setting: ForeignSetting): Recognised {
  return {
    id: setting.name,
    group: 'foreign',
    recognisedAs: `the setting ${foreignTitle(setting)}`,
    judge: (context) => judgeForeign(setting, context),
    settings: setting.here,
    here: setting.here,
  };
}

function ofOther(name: string, judge: (name: string) => AdviceJudgement): Recognised {
  return {
    id: name,
    group: 'settings',
    recognisedAs: `the kernel setting ${name}`,
    judge: () => judge(name),
    settings: [],
    here: undefined,
  };
}

const AIX_COMMAND = /\bno[ \t]+(?:-[a-z][ \t]+){0,3}-p?o[ \t]*$/;
/** A command in front of a name belongs to it. */
const COMMANDS: readonly RegExp[] = [
  /\bsysctl[ \t]+(?:-[a-z]+[ \t]+){0,3}["']?$/,
  /\bndd[ \t]+-[sg]et[ \t]+\/dev\/\w{1,6}[ \t]+$/,
  /\bipadm[ \t]+set-prop[ \t]+(?:-t[ \t]+)?-p[ \t]+$/,
  AIX_COMMAND,
];
/** `echo 1 >`, `echo 1 | sudo tee` */
const ECHO =
  /\becho[ \t]+(?:-n[ \t]+)?["']?(?<value>-?\w[\w \t]{0,40}?)["']?[ \t]*(?:>{1,2}|\|[ \t]*(?:sudo[ \t]+)?tee[ \t]+(?:-a[ \t]+)?)[ \t]*["']?$/;
/** `=15`, ` = "15"`, ` to 15`, ` 15` */
const NUMBERS =
  /^["']?(?:[ \t]*[=:][ \t]*|[ \t]+(?:to|of|is|at|from \d{1,9} to)[ \t]+|[ \t]+)["']?(?<value>-?\d[\w.]{0,20}(?:[ \t,]+\d{1,12}){0,2})/;
const ASSIGNED = /^[ \t]*=[ \t]*["']?(?<value>[^\s"';|&]{1,40})/;
/** `/t REG_DWORD /d 30`, `-Value 30` */
const REGISTRY = /^[^\n;]{0,60}?(?:\/d|-value)[ \t]+(?<value>0x[0-9a-f]{1,8}|\d{1,10})/;

function placed(
  recognised: Recognised,
  before: string,
  after: string,
  start: number,
  end: number,
  count: number,
): Mention {
  const echo = ECHO.exec(before);
  const behind = echo ? undefined : (REGISTRY.exec(after) ?? NUMBERS.exec(after) ?? ASSIGNED.exec(after));
  const command = echo ?? COMMANDS.map((pattern) => pattern.exec(before)).find((match) => match !== null);
  const value = (echo ?? behind)?.groups?.value?.trim();
  const words = value?.split(/[\s,]+/).slice(0, count);
  // What stands behind the numbers that belong to it is not part of it.
  const extra = behind && words ? value!.length - lengthOf(value!, words.length) : 0;
  return {
    ...recognised,
    start: command ? start - before.length + command.index : start,
    end: behind ? end + behind[0].length - extra : end,
    value: words?.map((word) => word.replace(/\.+$/, '')).join(' '),
    needsSockDestroy: false,
  };
}

/** Length of the first words of a text, with what separates them. */
function lengthOf(text: string, count: number): number {
  const words = [...text.matchAll(/[^\s,]+/g)].slice(0, count);
  const last = words.at(-1);
  return last ? last.index + last[0].length : 0;
}
