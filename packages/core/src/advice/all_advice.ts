import { KERNEL_SETTINGS } from '../settings/catalogue.ts';
import type { Settings } from '../snapshot.ts';
import { FOREIGN_SETTINGS } from './foreign/judge_foreign.ts';
import { ADVICE_ITEMS } from './items/mod.ts';
import { type JudgedAdvice, judgeAdvice } from './judge_advice.ts';
import type { AdviceGroup } from './judgement.ts';

/** A way to write a piece of advice, and what it is judged. */
export interface KnownAdvice {
  group: AdviceGroup;
  /** As people write it: `lastack explain` takes it. */
  example: string;
  judged: JudgedAdvice;
}

/** Values at which the verdict on a setting turns, or that people recommend. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  tcp_fin_timeout: ['15', '75'],
  tcp_tw_reuse: ['1'],
  tcp_max_tw_buckets: ['5000'],
  tcp_timestamps: ['0'],
  tcp_retries2: ['5'],
  tcp_orphan_retries: ['1'],
};

/** Of the settings that govern other things, those that stand in most lists. */
const ALSO_ASKED = [
  'net.ipv4.tcp_rmem',
  'net.core.netdev_max_backlog',
  'net.ipv4.netfilter.ip_conntrack_tcp_timeout_close_wait',
];

function examplesOf(): { group: AdviceGroup; example: string }[] {
  return [
    ...KERNEL_SETTINGS.flatMap(({ name }) => [
      { group: 'settings' as const, example: name },
      ...(VALUES[name] ?? []).map((value) => ({ group: 'settings' as const, example: `${name}=${value}` })),
    ]),
    ...ALSO_ASKED.map((example) => ({ group: 'settings' as const, example })),
    ...ADVICE_ITEMS.flatMap(({ group, examples }) => examples.map((example) => ({ group, example }))),
    ...FOREIGN_SETTINGS.map(({ name, needsCommand }) => ({
      group: 'foreign' as const,
      example: needsCommand ? `no -o ${name}` : name,
    })),
  ];
}

/** All that is known, in a fixed order, judged for these settings. */
export function allAdvice(host: Settings): KnownAdvice[] {
  return examplesOf().map(({ group, example }) => ({ group, example, judged: judgeAdvice(example, host).parts[0] }));
}
