import type { Settings } from '../snapshot.ts';
import { allAdvice, type KnownAdvice } from './all_advice.ts';
import type { ForeignSetting } from './foreign/foreign_setting.ts';
import { FOREIGN_SETTINGS, foreignSystems } from './foreign/judge_foreign.ts';
import { ADVICE_GROUPS, type AdviceEvidence, type AdviceGroup, VERDICT_WORDS, VERDICTS } from './judgement.ts';

/**
 * docs/advice.md, from the same data as `lastack explain ADVICE`, judged for the settings given (the defaults of a
 * kernel). A test holds the file against this; `vitest --update` writes it.
 */
export function adviceDocument(settings: Settings, kernel: string): string {
  const all = allAdvice(settings);
  const groups = (Object.keys(ADVICE_GROUPS) as AdviceGroup[]).flatMap((group) => [
    `## ${ADVICE_GROUPS[group]}`,
    '',
    ...(group === 'foreign' ? foreignTable() : []),
    ...entriesOf(all.filter((each) => each.group === group && !isInTable(each))).flatMap(entry),
  ]);
  return `${[...introduction(kernel), ...groups].join('\n').trimEnd()}\n`;
}

function introduction(kernel: string): string[] {
  return [
    '# Advice that people give each other',
    '',
    '<!-- Generated from packages/core/src/advice; write it anew with: npx vitest run packages/core/src/advice/advice_doc --update -->',
    '',
    `What \`lastack explain ADVICE\` says, with the default settings of Linux ${kernel}. On a host the command shows that host's own`,
    'values. Advice may be pasted as it was found: with prompt and `sudo`, several commands in a row, or a whole paragraph; each',
    'piece that is recognised gets its verdict.',
    '',
    '```sh',
    'lastack explain tcp_tw_recycle',
    "lastack explain 'lower tcp_fin_timeout to 15 to clear FIN_WAIT1'",
    "lastack explain 'sudo sysctl -w net.ipv4.tcp_tw_reuse=1 && kill -9 1581'",
    'lastack explain ndd -set /dev/tcp tcp_close_wait_interval 1500',
    'lastack explain --list',
    '```',
    '',
    '| verdict | |',
    '|---|---|',
    ...VERDICTS.map((verdict) => `| \`${verdict}\` | ${VERDICT_WORDS[verdict]} |`),
    '',
    'Of several pieces the worst, in this order, stands for the whole. Of a belief, `works` means that it is so, `works-but` that it',
    'is so in part, and `does-nothing` that it is not.',
    '',
    'A verdict that can be checked is checked on the running kernel, by the tests named beside it, in `packages/lastack/test/advice`:',
    "`npx vitest run packages/lastack/test/advice -t 'NAME'`.",
    '',
    'Where a text holds nothing that is known, `explain` says so, names what comes near, and ends with exit code 2, as it does for an',
    'unknown state. `tcp_finwait2` and `tcp_timewait`, spelt exactly so, are the settings of AIX; in any other spelling they are states.',
    '',
  ];
}

/** Ways to write one thing that are judged in the same way, with the ways that are judged otherwise below. */
interface Entry {
  first: KnownAdvice;
  alike: KnownAdvice[];
  others: KnownAdvice[];
}

function entriesOf(all: readonly KnownAdvice[]): Entry[] {
  const entries = new Map<string, Entry>();
  for (const each of all) {
    const entry = entries.get(each.judged.id);
    if (!entry) entries.set(each.judged.id, { first: each, alike: [each], others: [] });
    else if (each.judged.why === entry.first.judged.why) entry.alike.push(each);
    else entry.others.push(each);
  }
  return [...entries.values()];
}

function entry({ first, alike, others }: Entry): string[] {
  const { recognisedAs, verdict, why, evidence, instead, checkedBy } = first.judged;
  return [
    `### ${capital(recognisedAs.replace(/^the kernel setting /, ''))}`,
    '',
    `${alike.map(({ example }) => code(example)).join(' · ')}: **${verdict}**`,
    '',
    why,
    '',
    ...others.map(
      ({ example, judged }) => `- ${code(example)}: **${judged.verdict}**. ${withoutRest(judged.why, why)}`,
    ),
    ...(others.length > 0 ? [''] : []),
    ...evidence.map(evidenceItem),
    '',
    ...instead.map(({ command, what }) => `- Instead: ${code(command)}: ${what}`),
    '',
    ...(checkedBy ? [`Checked by ${checkedBy.map(code).join(', ')}.`, ''] : []),
  ];
}

/** What is said of a value, without what is said of the setting anyway. */
function withoutRest(why: string, rest: string): string {
  return why.endsWith(rest) ? why.slice(0, -rest.length).trim() : why;
}

function evidenceItem({ what, basis, where, repeat }: AdviceEvidence): string {
  return `- ${capital(basis)}: ${what} (${where}).${repeat === undefined ? '' : ` ${code(repeat)}`}`;
}

function foreignTable(): string[] {
  return [
    'Linux has none of these names: as they stand they do nothing. Checked by `foreign-names-are-unknown-here`.',
    '',
    '| name | system | what it governs there | what governs that on Linux |',
    '|---|---|---|---|',
    ...FOREIGN_SETTINGS.map(foreignRow),
    '',
  ];
}

function foreignRow(setting: ForeignSetting): string {
  const { name, here, governs, note } = setting;
  const translation = here.length === 0 ? 'nothing.' : `${here.map(code).join(', ')}.`;
  return `| ${code(name)} | ${foreignSystems(setting)} | ${governs} | ${[translation, note].filter((part) => part !== undefined).join(' ')} |`;
}

function isInTable({ judged }: KnownAdvice): boolean {
  return FOREIGN_SETTINGS.some(({ name }) => name === judged.id);
}

function code(text: string): string {
  return text.includes('`') ? text : `\`${text}\``;
}

function capital(text: string): string {
  // Names of settings and programs keep their spelling.
  return /^[a-z]+ /.test(text) || /^[a-z]+$/.test(text) ? `${text[0].toUpperCase()}${text.slice(1)}` : text;
}
