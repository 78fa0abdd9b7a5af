import { UserError } from '../effects.ts';
import { printable } from './render/printable.ts';

/** An option of ss(8) and what stands for it here. */
interface SsOption {
  letter?: string;
  long: string;
  /** `anyway`: ls does so without being told. `TCP only`: it asks for what lastack does not see. Else what to write. */
  here: 'anyway' | 'TCP only' | { write: string };
}

const SS_OPTIONS: readonly SsOption[] = [
  { letter: 't', long: 'tcp', here: 'anyway' },
  { letter: 'a', long: 'all', here: 'anyway' },
  { letter: 'n', long: 'numeric', here: 'anyway' },
  { letter: 'p', long: 'processes', here: 'anyway' },
  { letter: 'O', long: 'oneline', here: 'anyway' },
  { letter: 'l', long: 'listening', here: { write: 'state listening' } },
  { letter: '4', long: 'ipv4', here: { write: "src 'inet:*'" } },
  { letter: '6', long: 'ipv6', here: { write: "src 'inet6:*'" } },
  { letter: 'N', long: 'net', here: { write: 'netns NAME' } },
  { letter: 'H', long: 'no-header', here: { write: '--ndjson' } },
  { letter: 'e', long: 'extended', here: { write: '--json' } },
  { letter: 'o', long: 'options', here: { write: 'lastack why TARGET' } },
  { letter: 'i', long: 'info', here: { write: 'lastack why TARGET' } },
  { letter: 'm', long: 'memory', here: { write: 'lastack why TARGET' } },
  { letter: 's', long: 'summary', here: { write: 'lastack' } },
  { letter: 'K', long: 'kill', here: { write: 'lastack clear FILTER' } },
  { letter: 'u', long: 'udp', here: 'TCP only' },
  { letter: 'x', long: 'unix', here: 'TCP only' },
  { letter: 'w', long: 'raw', here: 'TCP only' },
  { letter: 'd', long: 'dccp', here: 'TCP only' },
  { letter: 'S', long: 'sctp', here: 'TCP only' },
  { letter: 'M', long: 'mptcp', here: 'TCP only' },
  { letter: '0', long: 'packet', here: 'TCP only' },
];

/** The commands that take the filters of ss. `clear` is what `ss -K` is. */
type Filtering = 'ls' | 'clear';

/**
 * People who know ss(8) give its options as well. @throws UserError with what to write instead, when every option among the
 * words is one of ss
 */
export function refuseSsOptions(command: Filtering, words: readonly string[]): void {
  const options = words.filter((word) => word.startsWith('-')).map(optionsIn);
  if (options.length === 0 || options.some((each) => each === undefined)) return;
  const known = [...new Map(options.flatMap((each) => each ?? [])).entries()];
  const like = (kind: SsOption['here']) =>
    known.flatMap(([text, option]) => (standsFor(option, command) === kind ? [text] : []));
  const [anyway, unseen] = [like('anyway'), like('TCP only')];
  const isHint = command === 'ls' && known.every(([, { letter }]) => letter !== 'p');
  const faster = isHint ? '; without owners it is faster: --no-owners' : '';
  const advice = [
    ...(anyway.length > 0 ? [`leave out ${anyway.join(' ')}, ${command} does so anyway${faster}`] : []),
    ...known.flatMap(([text, option]) => {
      const here = standsFor(option, command);
      return typeof here === 'object' ? [`for ${text} write \`${here.write}\``] : [];
    }),
    ...(unseen.length > 0 ? [`nothing stands for ${unseen.join(' ')}, lastack sees TCP only`] : []),
  ];
  throw new UserError(`${command} takes the filters of ss, not its options: ${advice.join('; ')}`);
}

function standsFor({ letter, here }: SsOption, command: Filtering): SsOption['here'] {
  if (command !== 'clear') return here;
  if (letter === 'K') return 'anyway';
  return letter === 'l' ? { write: 'state listening --listeners' } : here;
}

type Named = readonly [text: string, option: SsOption];

/** `-tan` is three. undefined: one of them is none of ss. */
function optionsIn(word: string): Named[] | undefined {
  const isLong = word.startsWith('--');
  const texts = isLong ? [word.replace(/=.*/s, '')] : [...word.slice(1)].map((letter) => `-${letter}`);
  const named = texts.flatMap((text): Named[] => {
    const option = SS_OPTIONS.find(({ letter, long }) => text === `--${long}` || text === `-${letter}`);
    return option ? [[printable(text), option]] : [];
  });
  return named.length === texts.length && named.length > 0 ? named : undefined;
}
