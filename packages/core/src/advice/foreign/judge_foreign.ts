import { findSetting } from '../../settings/catalogue.ts';
import { documented, instead, measured, WHY_STUCK } from '../evidence.ts';
import type { AdviceContext, AdviceInstead, AdviceJudgement } from '../judgement.ts';
import { FOREIGN_TITLES, type ForeignSetting, type ForeignSystem } from './foreign_setting.ts';
import { UNIX_SETTINGS } from './unix.ts';
import { WINDOWS_SETTINGS } from './windows.ts';

export const FOREIGN_SETTINGS: readonly ForeignSetting[] = [...UNIX_SETTINGS, ...WINDOWS_SETTINGS];

const MANUALS: Readonly<Record<ForeignSystem, string>> = {
  solaris: 'Solaris Tunable Parameters Reference Manual',
  'hp-ux': 'ndd(1M)',
  aix: 'no command, AIX documentation',
  bsd: 'tcp(4)',
  macos: 'sysctl(8)',
  windows: 'TCP/IP registry values, Microsoft documentation',
};

export function foreignTitle(setting: ForeignSetting): string {
  return `${setting.name} of ${foreignSystems(setting)}`;
}

/** `Solaris and HP-UX` */
export function foreignSystems({ systems }: ForeignSetting): string {
  return systems.map((system) => FOREIGN_TITLES[system]).join(' and ');
}

/** Linux has no such name, so as it stands it does nothing; what counts is what governs the same thing here. */
export function judgeForeign(setting: ForeignSetting, { number, host }: AdviceContext): AdviceJudgement {
  const { here, governs, note, systems } = setting;
  const translation =
    here.length === 0
      ? 'Nothing governs that on Linux.'
      : `On Linux ${here.join(' and ')} ${here.length === 1 ? 'governs' : 'govern'} it.`;
  const carried = carriedValue(setting, number);
  return {
    verdict: 'does-nothing',
    why: [
      `Linux has no setting of this name. On ${foreignSystems(setting)} it governs ${governs}.`,
      translation,
      note,
      carried?.why,
    ]
      .filter((sentence) => sentence !== undefined)
      .join(' '),
    evidence: [
      documented(MANUALS[systems[0]], setting.name),
      measured(
        `no file of this name under /proc/sys/net${here.length > 0 ? `; ${here.join(' and ')} ${here.length === 1 ? 'is' : 'are'} there` : ''}`,
      ),
    ],
    instead: here.length === 0 ? [WHY_STUCK] : commandsFor(here, carried, host),
    checkedBy: ['foreign-names-are-unknown-here'],
  };
}

interface Carried {
  value: number;
  why: string;
}

/** The value in the unit of the Linux setting. Where that rounds to nothing, none is carried over. */
function carriedValue({ here, perUnit }: ForeignSetting, number: number | undefined): Carried | undefined {
  if (number === undefined || perUnit === undefined || here.length !== 1) return undefined;
  const value = Math.round(number / perUnit);
  if (value < 1 || !Number.isSafeInteger(value)) return undefined;
  const unit = findSetting(here[0])?.unit;
  const counted = unit === 's' || unit === 'ms' ? `${value} ${unit}` : String(value);
  return { value, why: `${number} there is ${counted} here.` };
}

function commandsFor(
  here: readonly string[],
  carried: Carried | undefined,
  host: AdviceContext['host'],
): AdviceInstead[] {
  const [name] = here;
  const explain = here.map((each) => instead(`lastack explain ${each}`, 'what it governs here, and what it does not'));
  const isSet = carried === undefined || host[name] === carried.value;
  if (isSet) return explain;
  return [
    instead(
      `lastack tune set ${name}=${carried.value} --dry-run`,
      'the same here: checked, and shown before it is done',
    ),
    ...explain,
  ];
}
