import type { FilterAst, FilterNode, HostNode, LeafNode, PortNode } from '@lastack/core';
import {
  ANY_PORT,
  BytecodeOp,
  type Code,
  either,
  hostCondition,
  join,
  joinAll,
  negate,
  never,
  OP_BYTES,
  operation,
  portOperand,
  u32,
  u64,
} from './bytecode_code.ts';

export interface BytecodeOptions {
  /** The cgroup v2 id of a path; undefined when there is no such cgroup. */
  cgroupIdOf?(path: string): bigint | undefined;
  /** Index of an interface in the namespace that is dumped; undefined when it has none of that name. */
  interfaceIndexOf?(name: string): number | undefined;
  /** The kernel refuses the whole program (EPERM) when it asks for marks without CAP_NET_ADMIN. Default false. */
  allowMark?: boolean;
  /** The kernel refuses the whole program (EINVAL) when it asks for cgroups before 5.15. Default true. */
  allowCgroup?: boolean;
}

export interface CompiledBytecode {
  /** For INET_DIAG_REQ_BYTECODE; undefined when the kernel can check nothing of the filter. */
  bytes: Uint8Array | undefined;
  /**
   * What is left to evaluate on the sockets that the kernel lets through; undefined when nothing is. State clauses are
   * always left: they belong into the state mask of the request, and cost little twice.
   */
  residual: FilterAst | undefined;
}

const MAX_PORT = 65_535;
/** `no` and the attribute's length are u16, and the kernel's check of the program takes time by its square. */
const MAX_BYTES = 16_384;

/**
 * Splits a filter into what the kernel checks during the dump and the rest. Sound: the bytes let through every socket
 * that the filter matches, and `bytes` and `residual` together match exactly what the filter matches. `autobound` is
 * the exception, on purpose: as in ss, the kernel's knowledge of who chose the port narrows down the residual's test of
 * the port's range.
 */
export function compileBytecode(ast: FilterAst, options: BytecodeOptions = {}): CompiledBytecode {
  const conjuncts = conjunctsOf(ast.expression);
  if (ast.family !== undefined) conjuncts.unshift(familyNode(ast.family));
  const pushed: Code[] = [];
  const left: FilterNode[] = [];
  let size = 0;
  for (const conjunct of conjuncts) {
    const lowered = lower(conjunct, options);
    if (lowered !== undefined && size + lowered.code.length <= MAX_BYTES) {
      pushed.push(lowered.code);
      size += lowered.code.length;
      if (lowered.exact) continue;
    }
    left.push(conjunct);
  }
  return {
    bytes: pushed.length === 0 ? undefined : joinAll(pushed),
    residual: residualOf(ast, left),
  };
}

function conjunctsOf(node: FilterNode | undefined): FilterNode[] {
  if (node === undefined) return [];
  if (node.type === 'and') return node.of.flatMap(conjunctsOf);
  if (node.type === 'not' && node.of.type === 'not') return conjunctsOf(node.of.of);
  if (node.type === 'not' && node.of.type === 'or') {
    return node.of.of.flatMap((operand) => conjunctsOf({ type: 'not', of: operand }));
  }
  return [node];
}

/** A condition without address and port, on the family alone. */
function familyNode(family: 4 | 6): HostNode {
  return { type: 'host', side: 'local', family };
}

function residualOf(ast: FilterAst, left: readonly FilterNode[]): FilterAst | undefined {
  const expression = left.length === 0 ? undefined : left.length === 1 ? left[0] : ({ type: 'and', of: left } as const);
  const { states, notes } = ast;
  if (expression === undefined && states === undefined) return undefined;
  return { ...(states === undefined ? {} : { states }), ...(expression === undefined ? {} : { expression }), notes };
}

interface Lowered {
  code: Code;
  /** False: the code lets through more than the node matches. */
  exact: boolean;
}

/** Undefined when the kernel cannot check the node. */
function lower(node: FilterNode, options: BytecodeOptions): Lowered | undefined {
  switch (node.type) {
    case 'not': {
      const inner = lower(node.of, options);
      // The complement of too much would be too little.
      return inner?.exact ? { code: negate(inner.code), exact: true } : undefined;
    }
    case 'and':
      return lowerAnd(node.of, options);
    case 'or': {
      const parts = node.of.map((operand) => lower(operand, options));
      if (!parts.every((part) => part !== undefined)) return undefined;
      const size = parts.reduce((sum, part) => sum + part.code.length + OP_BYTES, 0);
      if (size > MAX_BYTES) return undefined;
      const code = parts.map((part) => part.code).reduceRight((rest, first) => either(first, rest));
      return { code, exact: parts.every((part) => part.exact) };
    }
    default:
      return lowerLeaf(node, options);
  }
}

function lowerAnd(operands: readonly FilterNode[], options: BytecodeOptions): Lowered | undefined {
  const parts = operands.map((operand) => lower(operand, options));
  const known = parts.filter((part) => part !== undefined);
  if (known.length === 0) return undefined;
  const exact = known.length === parts.length && known.every((part) => part.exact);
  const code = joinAll(known.map((part) => part.code));
  return code.length <= MAX_BYTES ? { code, exact } : undefined;
}

function lowerLeaf(node: LeafNode, options: BytecodeOptions): Lowered | undefined {
  switch (node.type) {
    case 'host':
      return { code: hostCode(node), exact: true };
    case 'port':
      return { code: portCode(node), exact: true };
    case 'device': {
      const index = typeof node.device === 'number' ? node.device : options.interfaceIndexOf?.(node.device);
      return index === undefined ? undefined : { code: operation(BytecodeOp.DEV_COND, u32(index)), exact: true };
    }
    case 'mark':
      if (!options.allowMark) return undefined;
      return { code: operation(BytecodeOp.MARK_COND, u32(node.mark, node.mask)), exact: true };
    case 'cgroup': {
      const id = options.allowCgroup === false ? undefined : options.cgroupIdOf?.(node.path);
      return id === undefined ? undefined : { code: operation(BytecodeOp.CGROUP_COND, u64(id)), exact: true };
    }
    case 'autobound':
      return { code: operation(BytecodeOp.AUTO), exact: false };
    default:
      return undefined;
  }
}

function hostCode({ side, family, address, prefixBits, port }: HostNode): Code {
  const op = side === 'local' ? BytecodeOp.S_COND : BytecodeOp.D_COND;
  const host = operation(op, hostCondition(address, prefixBits ?? (address?.length ?? 0) * 8, port ?? ANY_PORT));
  if (family === undefined) return host;
  return address === undefined && port === undefined ? familyCode(family) : join(familyCode(family), host);
}

/** A condition on an IPv6 address with an empty prefix holds for all IPv6 sockets and no other. */
function familyCode(family: 4 | 6): Code {
  const isIPv6 = operation(BytecodeOp.S_COND, hostCondition(new Array(16).fill(0), 0, ANY_PORT));
  return family === 6 ? isIPv6 : negate(isIPv6);
}

function portCode({ side, family, comparison, port }: PortNode): Code {
  const code = orderCode(side, comparison, port);
  return family === undefined ? code : join(familyCode(family), code);
}

function orderCode(side: PortNode['side'], comparison: PortNode['comparison'], port: number): Code {
  const ge = side === 'local' ? BytecodeOp.S_GE : BytecodeOp.D_GE;
  const le = side === 'local' ? BytecodeOp.S_LE : BytecodeOp.D_LE;
  switch (comparison) {
    case '>=':
      return operation(ge, portOperand(port));
    case '<=':
      return operation(le, portOperand(port));
    case '>':
      return port >= MAX_PORT ? never() : operation(ge, portOperand(port + 1));
    case '<':
      return port <= 0 ? never() : operation(le, portOperand(port - 1));
  }
}
