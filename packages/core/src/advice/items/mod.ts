import type { AdviceItem } from '../judgement.ts';
import { BELIEF_ITEMS } from './beliefs.ts';
import { FIREWALL_ITEMS } from './firewall.ts';
import { OPTION_ITEMS } from './options.ts';
import { OTHER_SYSTEM_ITEMS } from './other_systems.ts';
import { PROCESS_ITEMS } from './processes.ts';
import { TOOL_ITEMS } from './tools.ts';

/** Advice that is recognised by how it is written; settings are recognised by their names. */
export const ADVICE_ITEMS: readonly AdviceItem[] = [
  ...BELIEF_ITEMS,
  ...OPTION_ITEMS,
  ...FIREWALL_ITEMS,
  ...TOOL_ITEMS,
  ...PROCESS_ITEMS,
  ...OTHER_SYSTEM_ITEMS,
];
