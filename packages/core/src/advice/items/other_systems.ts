import { documented, instead, measured } from '../evidence.ts';
import type { AdviceContext, AdviceItem, AdviceJudgement } from '../judgement.ts';

const MOST_PORT = 65_535;

/** `start=10000 num=50000` as the two ends of a range; undefined when it is none. */
function rangeOf(value: string | undefined): string | undefined {
  const [start, count] = (value?.match(/\d{1,5}/g) ?? []).map(Number);
  if (start === undefined || count === undefined || count < 1 || start + count - 1 > MOST_PORT) return undefined;
  return `${start} ${start + count - 1}`;
}

function dynamicPort({ value }: AdviceContext): AdviceJudgement {
  const range = rangeOf(value);
  return {
    verdict: 'does-nothing',
    why: `A command of Windows: which ports connect() may choose. On Linux ip_local_port_range governs it${
      range === undefined ? '' : `, as first and last port: ${range}`
    }. More ports put off the moment when they run out; no TIME_WAIT goes.`,
    evidence: [
      documented('netsh interface ipv4 set dynamicportrange, Microsoft documentation', 'start and number of ports'),
      measured('ip_local_port_range takes the first and the last port'),
    ],
    instead: [
      ...(range === undefined
        ? []
        : [
            instead(
              `lastack tune set 'ip_local_port_range=${range}' --dry-run`,
              'the same here: checked, and shown before it is done',
            ),
          ]),
      instead('lastack port --pressure', 'whether ports towards a destination really run short'),
    ],
  };
}

export const OTHER_SYSTEM_ITEMS: readonly AdviceItem[] = [
  {
    id: 'netsh-dynamicport',
    group: 'foreign',
    title: 'the range of ports that Windows chooses from',
    examples: [
      'netsh int ipv4 set dynamicport tcp start=10000 num=50000',
      'Set-NetTCPSetting -DynamicPortRangeStartPort 10000',
    ],
    patterns: [
      /\bnetsh\s+int(?:erface)?\s+(?:ipv[46]|tcp)\s+set\s+dynamic(?:port(?:range)?)?\b(?:[^\n;|&]{0,40}?(?<value>start(?:port)?\s?=\s?\d{1,5}[^\n;|&]{0,20}?num\w{0,12}\s?=\s?\d{1,6}))?/g,
      /\bset-nettcpsetting\b[^\n;|]{0,80}dynamicportrange\w{0,20}[^\n;|]{0,20}/g,
    ],
    judge: dynamicPort,
    settings: ['ip_local_port_range'],
    here: ['ip_local_port_range'],
  },
  {
    id: 'tcpdrop',
    group: 'foreign',
    title: 'tcpdrop of BSD',
    examples: ['tcpdrop 10.0.0.153 4000 10.0.2.46 2572'],
    patterns: [/\btcpdrop\b[^\n;|&]{0,80}/g],
    judge: {
      verdict: 'does-nothing',
      why: 'Linux has no such program. What it does, lastack clear does, with a dry run and an exit code that tells.',
      evidence: [documented('tcpdrop(8)', 'drops the connection with these addresses')],
      instead: [
        instead('lastack clear 10.0.0.153:4000-10.0.2.46:2572 --dry-run', 'shows what would end it, at which price'),
      ],
    },
    here: [],
  },
];
