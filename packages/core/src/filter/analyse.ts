import { ALL_STATES } from '../tcp/parse_state.ts';
import { TcpState } from '../tcp/states.ts';
import type { FilterAst, FilterNode, LeafNode } from './ast.ts';

/** What must be read before a filter can be evaluated, beyond the first dump. */
export interface FilterRequirements {
  /** Holders of sockets from /proc. */
  owners: boolean;
  /** TCP_INFO, for ages. */
  info: boolean;
  /** The rules' verdicts. */
  stuck: boolean;
  /** SO_MARK: only readable with CAP_NET_ADMIN. */
  mark: boolean;
  /** net.ipv4.ip_local_port_range. */
  ephemeralPorts: boolean;
  /** The conditions name network namespaces: one namespace alone cannot answer them. */
  namespaces: readonly string[];
  /** Paths whose ids are needed. */
  cgroups: readonly string[];
  /** Interfaces whose indices are needed; numbers in the filter need none. */
  devices: readonly string[];
}

export function requirements(ast: FilterAst): FilterRequirements {
  const nodes = ast.expression === undefined ? [] : leaves(ast.expression);
  const has = (...types: LeafNode['type'][]) => nodes.some(({ type }) => types.includes(type));
  const named = <T>(pick: (node: LeafNode) => T | undefined) =>
    [...new Set(nodes.map(pick))].filter((value) => value !== undefined);
  return {
    owners: has('pid', 'comm'),
    info: has('age'),
    stuck: has('stuck'),
    mark: has('mark'),
    ephemeralPorts: has('autobound'),
    namespaces: named((node) => (node.type === 'netns' ? node.text : undefined)),
    cgroups: named((node) => (node.type === 'cgroup' ? node.path : undefined)),
    devices: named((node) => (node.type === 'device' && typeof node.device === 'string' ? node.device : undefined)),
  };
}

function leaves(node: FilterNode): LeafNode[] {
  if (node.type === 'not') return leaves(node.of);
  if (node.type === 'and' || node.type === 'or') return node.of.flatMap(leaves);
  return [node];
}

const ORPHAN_STATES =
  (1 << TcpState.FIN_WAIT1) | (1 << TcpState.FIN_WAIT2) | (1 << TcpState.CLOSING) | (1 << TcpState.LAST_ACK);
const UNACCEPTED_STATES = (1 << TcpState.ESTABLISHED) | (1 << TcpState.CLOSE_WAIT);

/**
 * The states in which a socket can match at all, bits `1 << TcpState`: what to ask the kernel for. Every state when the
 * filter says nothing of states (ss would leave out listeners then, unless told `-a`).
 */
export function stateMask(ast: FilterAst): number {
  const states = ast.states ?? ALL_STATES;
  return ast.expression === undefined ? states : states & statesOfNode(ast.expression, false);
}

function statesOf(node: LeafNode, negated: boolean): number {
  if (node.type === 'state') return negated ? ~node.mask : node.mask;
  if (negated) return ALL_STATES;
  if (node.type === 'orphan') return ORPHAN_STATES;
  return node.type === 'unaccepted' ? UNACCEPTED_STATES : ALL_STATES;
}

/** Bounds the set of states for which a node can hold, from bounds on its leaves. */
function statesOfNode(node: FilterNode, negated: boolean): number {
  if (node.type === 'not') return statesOfNode(node.of, !negated);
  if (node.type !== 'and' && node.type !== 'or') return statesOf(node, negated) & ALL_STATES;
  const sets = node.of.map((operand) => statesOfNode(operand, negated));
  return (node.type === 'and') !== negated
    ? sets.reduce((both, set) => both & set, ALL_STATES)
    : sets.reduce((either, set) => either | set, 0);
}
