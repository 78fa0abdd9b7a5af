import type { AdviceJudgement } from './judgement.ts';
import type { Mention } from './mention.ts';
import type { NamePlace } from './setting_mentions.ts';

const SETTING_NAME = /^(?:\/proc\/sys\/|net[./](?:ipv[46]|core|netfilter|inet6?)[./]|tcp_[a-z0-9_]{3})/;
/** Commands that people recommend. A line that begins with another word is prose. */
const COMMAND =
  /^(?:[$#%>][ \t]*)?(?:sudo[ \t]+(?:-[a-z]+[ \t]+)?)?(?:ip6?tables|nft|conntrack|ip|ndd|ipadm|netsh|ethtool|tc|route|arp|ifconfig|gdb|systemctl|service|sysctl|hping3?|nping)[ \t]+\S/;
/** Loads a file: what is in the file counts. */
const NO_ADVICE = /\bsysctl[ \t]+(?:-p\b|--system\b|-a\b)/;

const UNKNOWN: AdviceJudgement = {
  verdict: 'unknown',
  why: 'Nothing is known of this here, neither for it nor against it.',
  evidence: [],
  instead: [],
};

/** What looks like a setting or a command, and is none that anything is known of. */
export function unknownMentions(lower: string, names: readonly NamePlace[], known: readonly Mention[]): Mention[] {
  const settings = names.filter(({ name }) => SETTING_NAME.test(name)).filter((place) => isFree(place, known));
  const commands = commandsIn(lower).filter((place) => isFree(place, [...known, ...settings]));
  return [...settings, ...commands].map(({ start, end }) => ({
    start,
    end,
    id: 'unknown',
    group: 'settings',
    recognisedAs: 'nothing known here',
    value: undefined,
    judge: () => UNKNOWN,
    settings: [],
    needsSockDestroy: false,
    here: undefined,
  }));
}

interface Place {
  start: number;
  end: number;
}

function isFree({ start, end }: Place, taken: readonly Place[]): boolean {
  return taken.every((other) => other.end <= start || other.start >= end);
}

/** Places of single commands: lines, and what `;`, `&&` and `||` join. */
function commandsIn(lower: string): Place[] {
  return [...lower.matchAll(/[^\n;&|]+/g)].flatMap((match) => {
    const text = match[0].trim();
    if (!COMMAND.test(text) || NO_ADVICE.test(text)) return [];
    const start = match.index + match[0].indexOf(text);
    return [{ start, end: start + text.length }];
  });
}
