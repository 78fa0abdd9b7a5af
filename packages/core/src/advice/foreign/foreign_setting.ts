/** A setting of another system, and what governs the same thing on Linux. */
export interface ForeignSetting {
  /** As that system writes it. Case does not matter, nor what stands before the last dot. */
  name: string;
  systems: readonly ForeignSystem[];
  /** What it governs there. */
  governs: string;
  /** Names of Linux settings that govern the same thing here; none: nothing does. */
  here: readonly string[];
  /** What is to be known of the translation, a sentence or two; needed where nothing governs it here. */
  note?: string;
  /** How many of its units make one of the Linux setting's; undefined where values cannot be carried over. */
  perUnit?: number;
  /** Only recognised behind that system's command: Linux has a socket option of the same name. */
  needsCommand?: true;
}

export type ForeignSystem = 'solaris' | 'hp-ux' | 'aix' | 'bsd' | 'macos' | 'windows';

export const FOREIGN_TITLES: Readonly<Record<ForeignSystem, string>> = {
  solaris: 'Solaris',
  'hp-ux': 'HP-UX',
  aix: 'AIX',
  bsd: 'BSD',
  macos: 'macOS',
  windows: 'Windows',
};

export const TIME_WAIT_IS_CONSTANT = 'On Linux TIME_WAIT is a constant of 60 s.';
export const MILLISECONDS = 1000;
export const HALF_SECONDS = 2;
