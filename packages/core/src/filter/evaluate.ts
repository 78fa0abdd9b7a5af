import type { AgeBounds } from '../finding.ts';
import type { Owner, Row, SocketTable } from '../snapshot.ts';
import { ALL_STATES } from '../tcp/parse_state.ts';
import { hostMatcher, portMatcher } from './addresses.ts';
import type { Comparison, FilterAst, FilterNode, LeafNode, NumberNode, TextNode } from './ast.ts';

/**
 * What a filter may ask that is not in the table. Only what `requirements` names need be present. Undefined as an
 * answer means "not known": a condition on it then matches neither plain nor negated.
 */
export interface FilterContext {
  /** Label of the namespace the table was read in. */
  namespaceLabel: string;
  /** The processes that hold the socket; an empty list when none does, undefined when that could not be read. */
  ownersOf?(inode: number): readonly Owner[] | undefined;
  ageOf?(row: Row): AgeBounds | undefined;
  isStuck?(row: Row): boolean | undefined;
  /** The cgroup v2 id (inode number) of a path; undefined when there is no such cgroup: no socket is in it. */
  cgroupIdOf?(path: string): bigint | undefined;
  /** Index of an interface of this namespace; undefined when it has none of that name: no socket is bound to it. */
  interfaceIndexOf?(name: string): number | undefined;
  /** net.ipv4.ip_local_port_range of the namespace, both ends included. */
  ephemeralPorts?: readonly [low: number, high: number];
}

export type RowPredicate = (table: SocketTable, row: Row) => boolean;

/** True, false, or undefined when what is needed is not known. */
export type RowTest = (table: SocketTable, row: Row) => boolean | undefined;

/**
 * Turns a filter into a fast test of rows. A row matches when the filter is certain to hold for it: what could not be
 * read (owners of another user, an age whose bounds reach over the limit) matches neither a condition nor its negation.
 */
export function compileFilter(ast: FilterAst, context: FilterContext): RowPredicate {
  return compileNode(wholeNode(ast), context, false);
}

/**
 * The rows that may match for all this context knows: those for which the filter is not certain to fail. With a
 * context that leaves out what is dear to read (owners, ages, verdicts) it says for which rows to read them.
 */
export function compileCandidates(ast: FilterAst, context: FilterContext): RowPredicate {
  const fails = compileNode(wholeNode(ast), context, true);
  return (table, row) => !fails(table, row);
}

/** Everything that must hold, cheapest first. */
function wholeNode({ states, family, expression }: FilterAst): FilterNode {
  const of: FilterNode[] = [];
  if (states !== undefined && (states & ALL_STATES) !== ALL_STATES) of.push({ type: 'state', mask: states });
  if (family !== undefined) of.push({ type: 'host', side: 'local', family });
  if (expression !== undefined) of.push(expression);
  return { type: 'and', of };
}

/** The test that is true exactly where `node` (or its negation) certainly holds. */
function compileNode(node: FilterNode, context: FilterContext, negated: boolean): RowPredicate {
  switch (node.type) {
    case 'not':
      return compileNode(node.of, context, !negated);
    case 'and':
    case 'or': {
      const tests = node.of.map((operand) => compileNode(operand, context, negated));
      return (node.type === 'and') !== negated ? all(tests) : any(tests);
    }
    default: {
      const test = leafTest(node, context);
      const wanted = !negated;
      return (table, row) => test(table, row) === wanted;
    }
  }
}

function all(tests: readonly RowPredicate[]): RowPredicate {
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (tests.length === 2) return (table, row) => first(table, row) && second(table, row);
  return (table, row) => {
    for (const test of tests) if (!test(table, row)) return false;
    return true;
  };
}

function any(tests: readonly RowPredicate[]): RowPredicate {
  const [first, second] = tests;
  if (first === undefined) return () => false;
  if (second === undefined) return first;
  if (tests.length === 2) return (table, row) => first(table, row) || second(table, row);
  return (table, row) => {
    for (const test of tests) if (test(table, row)) return true;
    return false;
  };
}

function leafTest(node: LeafNode, context: FilterContext): RowTest {
  switch (node.type) {
    case 'host':
      return hostMatcher(node);
    case 'port':
      return portMatcher(node);
    case 'state':
      return stateTest(node.mask);
    case 'device':
      return deviceTest(node.device, context);
    case 'mark': {
      const { mark, mask } = node;
      return (table, row) => {
        const has = table.mark(row);
        return has === undefined ? undefined : (has & mask) >>> 0 === mark >>> 0;
      };
    }
    case 'cgroup':
      return cgroupTest(node.path, context);
    case 'autobound':
      return autoboundTest(context);
    case 'orphan':
    case 'unaccepted': {
      const { type } = node;
      return (table, row) => table.kind(row) === type;
    }
    case 'stuck':
      return (_table, row) => context.isStuck?.(row);
    case 'netns': {
      const same = node.text === context.namespaceLabel;
      return () => same;
    }
    case 'comm':
      return commTest(node, context);
    default:
      return numberTest(node, context);
  }
}

function stateTest(mask: number): RowTest {
  return (table, row) => (mask & (1 << table.state(row))) !== 0;
}

function deviceTest(device: string | number, context: FilterContext): RowTest {
  if (typeof device === 'string' && !context.interfaceIndexOf) return () => undefined;
  const index = typeof device === 'number' ? device : context.interfaceIndexOf?.(device);
  if (index === undefined) return () => false;
  return (table, row) => table.interfaceIndex(row) === index;
}

function cgroupTest(path: string, context: FilterContext): RowTest {
  if (!context.cgroupIdOf) return () => undefined;
  const wanted = context.cgroupIdOf(path);
  if (wanted === undefined) return () => false;
  return (table, row) => {
    const id = table.cgroupId(row);
    if (id !== undefined) return id === wanted;
    // Minisockets and requests are in no cgroup; for any other the kernel is too old to tell.
    const kind = table.kind(row);
    return kind === 'minisocket' || kind === 'request' ? false : undefined;
  };
}

/** As ss tests it: the port is one that the kernel gives out. Whether it did give it out only the kernel can tell. */
function autoboundTest({ ephemeralPorts }: FilterContext): RowTest {
  if (ephemeralPorts === undefined) return () => undefined;
  const [low, high] = ephemeralPorts;
  return (table, row) => {
    const port = table.localPort(row);
    return port >= low && port <= high;
  };
}

function commTest(node: TextNode, context: FilterContext): RowTest {
  const matches = glob(node.text);
  return ownerTest(context, (owner) => matches(owner.command));
}

function ownerTest(context: FilterContext, test: (owner: Owner) => boolean): RowTest {
  return (table, row) => {
    const inode = table.inode(row);
    // Inode 0: no process holds it, whatever could be read of the processes.
    return inode === 0 ? false : context.ownersOf?.(inode)?.some(test);
  };
}

/** `*` stands for any run of characters; no other wildcard. */
function glob(pattern: string): (text: string) => boolean {
  if (!pattern.includes('*')) return (text) => text === pattern;
  const source = pattern.split(/\*+/).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const expression = new RegExp(`^${source.join('.*')}$`, 's');
  return (text) => expression.test(text);
}

function numberTest(node: NumberNode, context: FilterContext): RowTest {
  const { comparison, value } = node;
  switch (node.type) {
    case 'pid':
      // One holder of several is enough.
      return ownerTest(context, (owner) => owner.pid === value);
    case 'recvq':
      return (table, row) => compare(table.receiveQueue(row), comparison, value);
    case 'sendq':
      return (table, row) => compare(table.sendQueue(row), comparison, value);
    case 'age':
      return (_table, row) => compareAge(context.ageOf?.(row), comparison, value);
  }
}

function compare(left: number, comparison: Comparison, right: number): boolean {
  switch (comparison) {
    case '=':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
  }
}

/** Undefined where the true age, somewhere within the bounds, decides. */
function compareAge(age: AgeBounds | undefined, comparison: Comparison, limitMs: number): boolean | undefined {
  if (age === undefined) return undefined;
  const { fromMs, toMs = Number.POSITIVE_INFINITY } = age;
  if (comparison === '=' || comparison === '!=') {
    const outside = limitMs < fromMs || limitMs > toMs;
    if (!outside && fromMs !== toMs) return undefined;
    return outside === (comparison === '!=');
  }
  const youngest = compare(fromMs, comparison, limitMs);
  return youngest === compare(toMs, comparison, limitMs) ? youngest : undefined;
}
