import { sysctlName } from './catalogue.ts';
import { rangeText } from './check.ts';
import { CLOSING_SETTINGS } from './closing.ts';
import { CONNTRACK_SETTINGS } from './conntrack.ts';
import { OPENING_SETTINGS } from './opening.ts';
import type { KernelSetting } from './setting.ts';

const HEAD = `# Settings

Every kernel setting that governs, or is believed to govern, how TCP connections end. Those of \`net.ipv4\` hold for IPv6 as
well. \`lastack tune\` shows them with this host's values; [tune.md](tune.md) tells how to change them. This page is made from
the catalogue in \`packages/core/src/settings\`; the ranges were found by writing into a namespace (Linux 6.18).
`;

const GROUPS: readonly (readonly [title: string, settings: readonly KernelSetting[]])[] = [
  ['Closing, and peers that died', CLOSING_SETTINGS],
  ['Opening, listening, and ports', OPENING_SETTINGS],
  ['Connection tracking', CONNTRACK_SETTINGS],
];

/** The page docs/settings.md. */
export function settingsDocument(): string {
  const groups = GROUPS.map(([title, settings]) => `\n## ${title}\n${settings.map(section).join('')}`);
  return `${HEAD}${groups.join('')}`;
}

function section(setting: KernelSetting): string {
  const { name, governs, doesNotGovern, takesEffect, risk, gone, until } = setting;
  const lines = gone
    ? [`Removed in Linux ${until}: ${gone.broke}.`, `Instead: ${gone.instead}.`]
    : [
        `Governs: ${governs}.`,
        `Does not: ${doesNotGovern}.`,
        takesEffect === 'at once' ? 'A change acts at once.' : `A change acts on ${takesEffect} only.`,
        `Risk: ${risk}.`,
      ];
  return `\n### ${name}\n\n${factsLine(setting)}\n\n${lines.map((line) => `- ${line}\n`).join('')}`;
}

function factsLine(setting: KernelSetting): string {
  const { kernelDefault, defaultNote, unit, range, sensible, sensibleBecause, scope, since } = setting;
  const standard = [kernelDefault, defaultNote].filter((one) => one !== undefined).join(', ');
  const isNarrower = range && (range.least !== sensible.least || range.most !== sensible.most);
  const facts = [
    `\`${sysctlName(setting)}\``,
    `default ${standard}`,
    unit === 'switch' ? 'a switch' : `in ${unit}`,
    rangeText(sensible) + (isNarrower ? ` (the kernel takes ${rangeText(range)})` : ''),
    scope === 'host' ? 'one value for the whole host' : 'per network namespace',
    ...(since === undefined ? [] : [`since Linux ${since}`]),
  ];
  const why = sensibleBecause === undefined ? '' : ` Outside: ${sensibleBecause}.`;
  return `${facts.join('; ')}.${why}`;
}
