import type { Comparison, FilterNode, NumberNode, Side } from './ast.ts';
import { FilterError } from './filter_error.ts';
import { HostProblem, parseHost, type Services } from './host_syntax.ts';
import { nearestWord } from './nearest.ts';
import type { Scanner, Token } from './scanner.ts';
import { parseDurationMs, parseInteger, parseMark, parseSizeBytes } from './values.ts';
import { COMPARISONS, KEYWORDS, type Keyword } from './words.ts';

export interface PredicateContext {
  scanner: Scanner;
  services?: Services;
  /** Collects the families that `inet:` and `inet6:` name. */
  families: Set<4 | 6>;
}

/** Linux never gives out a larger one (PID_MAX_LIMIT). */
const MAX_PID = 2 ** 22;
const MAX_INTERFACE = 2 ** 31 - 1;

/** Reads the rest of a condition whose keyword was just taken. @throws FilterError */
export function parsePredicate(keyword: Token, word: string, context: PredicateContext): FilterNode {
  const rule = KEYWORDS.get(word)!;
  if (rule.value === 'none') return { type: word as 'autobound' | 'orphan' | 'unaccepted' | 'stuck' };
  const given = takeComparison(keyword, word, rule, context);
  const comparison = given ?? '=';
  switch (rule.value) {
    case 'host':
      return negatedIf(comparison === '!=', hostNode(word, context));
    case 'port':
      return portNode(word, comparison, context);
    case 'device':
      return negatedIf(comparison === '!=', { type: 'device', device: device(word, context) });
    case 'mark':
      return negatedIf(comparison === '!=', {
        type: 'mark',
        ...number(word, 'a mark (0x1 or 0x1/0xff)', parseMark, context),
      });
    case 'cgroup':
      return negatedIf(comparison === '!=', { type: 'cgroup', path: name(word, 'a cgroup path', context) });
    case 'text': {
      const text = name(word, word === 'comm' ? 'a program name' : 'a network namespace', context);
      return negatedIf(comparison === '!=', { type: word as 'comm' | 'netns', text });
    }
    default:
      return numberNode(word as NumberNode['type'], rule.value, given, context);
  }
}

function negatedIf(negated: boolean, node: FilterNode): FilterNode {
  return negated ? { type: 'not', of: node } : node;
}

function takeComparison(keyword: Token, word: string, rule: Keyword, { scanner }: PredicateContext) {
  const token = scanner.peek();
  const comparison = COMPARISONS.get(token.text);
  if (comparison === undefined) {
    if (rule.value !== 'age') return undefined;
    // "is exactly five minutes old" is never meant, and what is meant cannot be guessed.
    throw new FilterError(`\`${word}\` needs a comparison`, {
      text: scanner.text,
      at: token.at,
      length: token.length,
      expected: rule.comparisons.filter((one) => one !== '!='),
    });
  }
  if (!rule.comparisons.includes(comparison)) {
    throw new FilterError(`\`${keyword.text}\` cannot be compared with \`${token.text}\``, {
      text: scanner.text,
      at: token.at,
      length: token.length,
      expected: rule.comparisons,
    });
  }
  scanner.take();
  return comparison;
}

function hostNode(word: string, context: PredicateContext): FilterNode {
  const { family, address, prefixBits, port } = host(word, false, context);
  return { type: 'host', side: sideOf(word), ...defined({ family, address, prefixBits, port }) };
}

function portNode(word: string, comparison: Comparison, context: PredicateContext): FilterNode {
  const before = context.scanner.peek();
  const { family, port } = host(word, true, context);
  const side = sideOf(word);
  if (comparison === '=' || comparison === '!=') {
    return negatedIf(comparison === '!=', { type: 'host', side, ...defined({ family, port }) });
  }
  if (port === undefined) {
    const { at, length } = before;
    throw new FilterError('an order needs a port, not a wildcard', { text: context.scanner.text, at, length });
  }
  return { type: 'port', side, ...defined({ family }), comparison, port };
}

function sideOf(word: string): Side {
  return word === 'src' || word === 'sport' ? 'local' : 'remote';
}

/** Without the members that are undefined, so that equal filters are equal data. */
function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

function host(word: string, portOnly: boolean, { scanner, services, families }: PredicateContext) {
  const what = portOnly ? 'a port (:443 or :https)' : 'an address (10.0.0.0/8, [::1]:443, :443, *)';
  const token = value(word, what, scanner.take(), scanner);
  const result = parseHost(token.text, portOnly, services);
  if (!(result instanceof HostProblem)) {
    if (result.family !== undefined) families.add(result.family);
    return result;
  }
  throw new FilterError(result.message, {
    text: scanner.text,
    at: token.at + result.offset,
    length: result.length,
    expected: result.expected,
    suggestion: result.service && nearestWord(result.service, services?.keys() ?? []),
  });
}

function device(word: string, context: PredicateContext): string | number {
  const text = name(word, 'an interface name or index', context);
  return parseInteger(text, MAX_INTERFACE) ?? text;
}

function name(word: string, what: string, { scanner }: PredicateContext): string {
  const token = value(word, what, scanner.takeValue(), scanner);
  if (token.text !== '') return token.text;
  const { at, length } = token;
  throw new FilterError(`\`${word}\` cannot be empty`, { text: scanner.text, at, length, expected: [what] });
}

function numberNode(
  type: NumberNode['type'],
  value: Keyword['value'],
  comparison: Comparison = '=',
  context: PredicateContext,
): FilterNode {
  if (value === 'pid') {
    const pid = number(type, 'a process id', (text) => parseInteger(text, MAX_PID), context);
    return negatedIf(comparison === '!=', { type, comparison: '=', value: pid });
  }
  if (value === 'age') {
    return { type, comparison, value: number(type, 'a time (500ms, 30s, 5m, 2h, 1d)', parseDurationMs, context) };
  }
  return { type, comparison, value: number(type, 'a number of bytes (0, 64k, 1m)', parseSizeBytes, context) };
}

function number<T>(word: string, what: string, parse: (text: string) => T | undefined, context: PredicateContext): T {
  const { scanner } = context;
  const token = value(word, what, scanner.take(), scanner);
  const result = parse(token.text);
  if (result !== undefined) return result;
  const { at, length } = token;
  throw new FilterError(`\`${token.text}\` is not ${what}`, { text: scanner.text, at, length, expected: [what] });
}

function value(word: string, what: string, token: Token, scanner: Scanner): Token {
  if (token.type === 'word') return token;
  const { at, length } = token;
  throw new FilterError(`\`${word}\` needs ${what}`, { text: scanner.text, at, length, expected: [what] });
}
