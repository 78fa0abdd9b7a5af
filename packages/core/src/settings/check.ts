import type { Settings } from '../snapshot.ts';
import { settingKeys, withValue } from './catalogue.ts';
import { cautionsOf, conflictOf, kernelConflictOf } from './relations.ts';
import type { KernelSetting, RefusedValue, ValueRange } from './setting.ts';

/** A value that may be written, or why not. */
export type CheckedValue =
  | {
      ok: true;
      /** Decimal numbers separated by one space, as the kernel shows them. */
      value: string;
      /** What to know before: one sentence each. With `force` the refusals that it overrode are among them. */
      cautions: readonly string[];
    }
  | {
      ok: false;
      because: string;
      todo?: string;
      /** Whether `force` would let it pass: the kernel takes the value, but it does not do what one would think. */
      canBeForced: boolean;
    };

export interface CheckOptions {
  /** Write it although it is not sensible. What the kernel itself refuses stays refused. */
  force?: boolean;
}

/** The kernel reads `010` as eight and `0x10` as sixteen: only plain decimal numbers are taken. */
const DECIMAL = /^(?:0|-?[1-9]\d*)$/;

/**
 * Checks a value for a setting by type, range, and relation to the others.
 * @param others the settings as they will be beside it, this one's old value included or not
 */
export function checkValue(
  setting: KernelSetting,
  text: string,
  others: Settings,
  { force = false }: CheckOptions = {},
): CheckedValue {
  const words = text.trim().split(/[\s,]+/);
  const refusal = goneRefusal(setting) ?? wordsRefusal(setting, words) ?? rangeRefusal(setting, words);
  if (refusal) return { ok: false, canBeForced: false, ...refusal };
  const value = words.join(' ');
  const settings = withValue(others, setting, value);
  const refusedByKernel = kernelConflictOf(setting, settings);
  if (refusedByKernel) return { ok: false, canBeForced: false, ...refusedByKernel };
  const folly = sensibleRefusal(setting, words) ?? conflictOf(setting, settings);
  if (folly && !force) return { ok: false, canBeForced: true, ...folly };
  return { ok: true, value, cautions: [...(folly ? [folly.because] : []), ...cautionsOf(setting, settings)] };
}

function goneRefusal({ name, until, gone }: KernelSetting): RefusedValue | undefined {
  if (gone === undefined) return undefined;
  return { because: `${name} was removed in Linux ${until}: ${gone.broke}`, todo: gone.instead };
}

function wordsRefusal(setting: KernelSetting, words: readonly string[]): RefusedValue | undefined {
  const count = settingKeys(setting).length;
  const shown = words.join(' ');
  if (shown === '') return { because: `${setting.name} needs a value`, todo: exampleOf(setting) };
  const wrong = words.find((word) => !DECIMAL.test(word));
  if (wrong !== undefined) return { because: `'${wrong}' is not a decimal number`, todo: exampleOf(setting) };
  if (words.length !== count) {
    const wanted = count === 1 ? 'one number' : `${count} numbers`;
    return { because: `${setting.name} takes ${wanted}, not ${words.length}`, todo: exampleOf(setting) };
  }
  return undefined;
}

function exampleOf({ name, kernelDefault, sensible, parts }: KernelSetting): string {
  if (kernelDefault === undefined && parts) return `write ${name}='${parts.map(() => 'N').join(' ')}'`;
  const value = kernelDefault ?? String(sensible.most);
  return `write for example ${name}=${value.includes(' ') ? `'${value}'` : value}`;
}

function rangeRefusal({ name, range }: KernelSetting, words: readonly string[]): RefusedValue | undefined {
  const wrong = range && outside(words, range);
  if (wrong === undefined) return undefined;
  return { because: `${wrong} is outside what the kernel takes for ${name}: ${rangeText(range as ValueRange)}` };
}

function sensibleRefusal(setting: KernelSetting, words: readonly string[]): RefusedValue | undefined {
  const { name, sensible, sensibleBecause } = setting;
  const wrong = outside(words, sensible);
  if (wrong === undefined) return undefined;
  const why = sensibleBecause === undefined ? '' : `; ${sensibleBecause}`;
  return { because: `${wrong} makes no sense for ${name}, which goes from ${rangeText(sensible)}${why}` };
}

/** Far larger numbers than any setting's lose digits here, and are outside all the same. */
function outside(words: readonly string[], { least, most }: ValueRange): string | undefined {
  return words.find((word) => Number(word) < least || Number(word) > most);
}

/** `0 to 255`. */
export function rangeText({ least, most }: ValueRange): string {
  return `${least} to ${most}`;
}
