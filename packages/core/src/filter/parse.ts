import { ALL_STATES, parseStateMask, STATE_WORDS } from '../tcp/parse_state.ts';
import type { FilterAst, FilterNode } from './ast.ts';
import { FilterError } from './filter_error.ts';
import type { Services } from './host_syntax.ts';
import { nearestWord } from './nearest.ts';
import { type PredicateContext, parsePredicate } from './predicates.ts';
import { Scanner, type Token } from './scanner.ts';
import { AND_WORDS, CLOSE, CONDITION_WORDS, KEYWORDS, NOT_WORDS, OPEN, OR_WORDS, STATE_CLAUSES } from './words.ts';

export interface FilterOptions {
  /** Ports by service name, from /etc/services or the like. Without it ports must be numbers. */
  services?: Services;
}

interface ParseContext extends PredicateContext {
  notes: Set<string>;
}

/** Deeper nesting is no filter a person wrote, and would exhaust the stack. */
const MAX_DEPTH = 100;
const MAX_LENGTH = 1 << 20;

const LEFT_TO_RIGHT =
  '`or` and `and` (written or not) bind alike and are read from left to right, as ss does: A or B and C means ( A or B ) and C; parentheses say which is meant';

/**
 * Reads a filter in the language of ss (state clauses, then an expression) with lastack's own conditions added.
 * Where the manual of ss and the program differ, the program is followed: `and`, `or` and juxtaposition have one
 * precedence. An argument vector is joined with spaces.
 * @throws FilterError
 */
export function parseFilter(input: string | readonly string[], options: FilterOptions = {}): FilterAst {
  const text = typeof input === 'string' ? input : input.join(' ');
  if (text.length > MAX_LENGTH) throw new FilterError('this filter is too long', { text: '', at: 0 });
  const context: ParseContext = {
    scanner: new Scanner(text),
    services: options.services,
    families: new Set(),
    notes: new Set(),
  };
  const { states, expression } = parseWhole(context);
  const [family] = context.families.size === 1 ? context.families : [];
  if (states === 0) context.notes.add('the state clauses leave no state: nothing can match');
  return {
    ...(states === undefined ? {} : { states }),
    ...(family === undefined ? {} : { family }),
    ...(expression === undefined ? {} : { expression }),
    notes: [...context.notes],
  };
}

function parseWhole(context: ParseContext): Pick<FilterAst, 'states' | 'expression'> {
  const { scanner } = context;
  const states = startsStateClause(scanner.peek()) ? parseStates(context) : undefined;
  if (scanner.peek().type === 'end') return { states };
  // Beyond ss: `state listening or dport = :80`. There the clause is an ordinary condition.
  if (states !== undefined && OR_WORDS.has(scanner.peek().text)) {
    return { expression: endOfText(context, parseExpression(context, 0, { type: 'state', mask: states })) };
  }
  if (states !== undefined) scanner.takeIf(AND_WORDS);
  return { states, expression: endOfText(context, parseExpression(context, 0)) };
}

function endOfText({ scanner }: ParseContext, expression: FilterNode): FilterNode {
  const { type, at, length } = scanner.peek();
  if (type === 'end') return expression;
  throw new FilterError('this parenthesis was never opened', { text: scanner.text, at, length });
}

function startsStateClause(token: Token): boolean {
  return token.type === 'word' && STATE_CLAUSES.has(token.text.toLowerCase());
}

/** `state A state B exclude C …` up to the next other word, worked off in order as ss does. */
function parseStates({ scanner }: ParseContext): number {
  let mask: number | undefined;
  while (startsStateClause(scanner.peek())) {
    const adds = scanner.take().text.toLowerCase() === 'state';
    const named = parseStateList(scanner);
    if (adds) mask = (mask ?? 0) | named;
    else mask = (mask ?? ALL_STATES) & ~named;
  }
  return mask!;
}

/** One state or group, or several with commas. */
function parseStateList(scanner: Scanner): number {
  const token = scanner.take();
  if (token.type !== 'word') throw wrongState(scanner, token, 'a state is missing', '');
  let mask = 0;
  for (const word of token.text.split(',')) {
    const named = parseStateMask(word);
    if (named === undefined) throw wrongState(scanner, token, `there is no state \`${word}\``, word);
    mask |= named;
  }
  return mask;
}

function wrongState(scanner: Scanner, { at, length }: Token, message: string, word: string): FilterError {
  const suggestion = nearestWord(word.replaceAll('_', '-'), STATE_WORDS);
  return new FilterError(message, { text: scanner.text, at, length, expected: STATE_WORDS, suggestion });
}

function parseExpression(context: ParseContext, depth: number, first?: FilterNode): FilterNode {
  const { scanner, notes } = context;
  let operator: 'and' | 'or' | undefined;
  let operands = [first ?? parseUnary(context, depth)];
  for (;;) {
    const token = scanner.peek();
    if (token.type === 'end' || CLOSE.has(token.text)) break;
    const next = takeJoin(scanner);
    const right = parseUnary(context, depth);
    if (operator !== undefined && operator !== next) {
      if (next === 'and') notes.add(LEFT_TO_RIGHT);
      operands = [{ type: operator, of: operands }];
    }
    operator = next;
    operands.push(right);
  }
  return operator === undefined ? operands[0] : { type: operator, of: operands };
}

function takeJoin(scanner: Scanner): 'and' | 'or' {
  if (scanner.takeIf(OR_WORDS)) return 'or';
  scanner.takeIf(AND_WORDS);
  return 'and';
}

function parseUnary(context: ParseContext, depth: number): FilterNode {
  let negated = false;
  while (context.scanner.takeIf(NOT_WORDS)) negated = !negated;
  const node = parsePrimary(context, depth);
  return negated ? { type: 'not', of: node } : node;
}

function parsePrimary(context: ParseContext, depth: number): FilterNode {
  const { scanner } = context;
  const open = scanner.takeIf(OPEN);
  if (open) return parseParentheses(context, open, depth);
  const token = scanner.peek();
  if (startsStateClause(token)) return { type: 'state', mask: parseStates(context) };
  const word = token.text.toLowerCase();
  if (token.type !== 'word' || !KEYWORDS.has(word)) throw noCondition(scanner, token);
  scanner.take();
  return parsePredicate(token, word, context);
}

function parseParentheses(context: ParseContext, open: Token, depth: number): FilterNode {
  const { scanner } = context;
  if (depth >= MAX_DEPTH) {
    throw new FilterError('too many parentheses inside each other', { text: scanner.text, at: open.at, length: 1 });
  }
  const inside = parseExpression(context, depth + 1);
  if (scanner.takeIf(CLOSE)) return inside;
  const { at, length } = scanner.peek();
  throw new FilterError('a parenthesis is still open', { text: scanner.text, at, length, expected: [')'] });
}

function noCondition(scanner: Scanner, token: Token): FilterError {
  const { at, length, text: word } = token;
  const place = { text: scanner.text, at, length, expected: ['not', '(', ...CONDITION_WORDS] };
  if (token.type !== 'word' || AND_WORDS.has(word) || OR_WORDS.has(word)) {
    const message = token.type === 'end' ? 'a condition is missing' : `a condition is missing before \`${word}\``;
    return new FilterError(message, place);
  }
  if (parseStateMask(word) !== undefined) {
    return new FilterError(`\`${word}\` is a state`, { ...place, suggestion: `state ${word}` });
  }
  return new FilterError(`there is no condition \`${word}\``, { ...place, suggestion: meantBy(word) });
}

function meantBy(word: string): string | undefined {
  const glued = /^(src|dst|sport|dport|state)[:](.+)$/i.exec(word);
  if (glued)
    return glued[1] === 'state'
      ? `state ${glued[2]}`
      : `${glued[1]} ${glued[1].endsWith('port') ? ':' : ''}${glued[2]}`;
  if (/^:\w+$/.test(word)) return `dport = ${word}`;
  if (/^(\d+\.[\d.]+|\[?[\da-f]*:[\da-f:.]*)(\/\d+)?\]?(:\w+)?$/i.test(word)) return `dst ${word}`;
  const keyword = nearestWord(word, [...CONDITION_WORDS, 'not', 'and', 'or']);
  if (keyword !== undefined) return keyword;
  const state = nearestWord(word.replaceAll('_', '-'), STATE_WORDS);
  return state === undefined ? undefined : `state ${state}`;
}
