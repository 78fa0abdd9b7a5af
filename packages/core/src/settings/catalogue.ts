import { nearestWord } from '../filter/nearest.ts';
import type { Settings } from '../snapshot.ts';
import { CLOSING_SETTINGS } from './closing.ts';
import { CONNTRACK_SETTINGS } from './conntrack.ts';
import { OPENING_SETTINGS } from './opening.ts';
import type { KernelSetting } from './setting.ts';

/** Every setting that governs, or is believed to govern, how TCP connections end. Closing first, then opening, conntrack. */
export const KERNEL_SETTINGS: readonly KernelSetting[] = [
  ...CLOSING_SETTINGS,
  ...OPENING_SETTINGS,
  ...CONNTRACK_SETTINGS,
];

const PROC_SYS = /^\/?proc\/sys\//;
const MAX_NEAREST = 3;
/** Shorter pieces are in too many names to say anything. */
const SHORTEST_PIECE = 4;

/** The setting in any spelling: `tcp_fin_timeout`, `net.ipv4.tcp_fin_timeout`, `/proc/sys/net/ipv4/tcp_fin_timeout`. */
export function findSetting(text: string): KernelSetting | undefined {
  const path = text.trim().replace(PROC_SYS, '').replaceAll('.', '/');
  return KERNEL_SETTINGS.find((setting) => setting.path === path || setting.name === path);
}

/** Names that a word which is none may have been meant to be, the likeliest first; at most three. */
export function nearestSettings(text: string): string[] {
  const word = text.trim().toLowerCase().split(/[./]/).at(-1) ?? '';
  const names = KERNEL_SETTINGS.map(({ name }) => name);
  const near = [nearestWord(word, names), nearestWord(`tcp_${word}`, names)].filter((name) => name !== undefined);
  const holding = word.length < SHORTEST_PIECE ? [] : names.filter((name) => name.includes(word));
  return [...new Set([...near, ...holding])].slice(0, MAX_NEAREST);
}

/** `net.ipv4.tcp_fin_timeout`, as sysctl(8) writes it. */
export function sysctlName({ path }: KernelSetting): string {
  return path.replaceAll('/', '.');
}

/** The keys of its numbers in `Settings`. */
export function settingKeys({ name, parts }: KernelSetting): readonly string[] {
  return parts ?? [name];
}

/** Its numbers as this host has them; undefined when one could not be read. */
export function settingNumbers(setting: KernelSetting, settings: Settings): number[] | undefined {
  const numbers = settingKeys(setting).map((key) => settings[key]);
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

/** `60`, `32768 60999`; undefined when it could not be read. */
export function settingValue(setting: KernelSetting, settings: Settings): string | undefined {
  return settingNumbers(setting, settings)?.join(' ');
}

/** The settings as they would be with this value, given as `checkValue` returns it. */
export function withValue(settings: Settings, setting: KernelSetting, value: string): Settings {
  const numbers = value.split(' ').map(Number);
  return { ...settings, ...Object.fromEntries(settingKeys(setting).map((key, index) => [key, numbers[index]])) };
}
