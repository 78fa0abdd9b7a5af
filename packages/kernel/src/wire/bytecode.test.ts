import {
  compileFilter,
  type FilterAst,
  type FilterContext,
  type FilterNode,
  parseFilter,
  type SocketTable,
} from '@lastack/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BytecodeOptions, compileBytecode } from './bytecode.ts';
import { audit, type Entry, run } from './bytecode_model.ts';

const PORTS: readonly [number, number] = [32_768, 60_999];
const OPTIONS: BytecodeOptions = {
  allowMark: true,
  cgroupIdOf: (path) => (path === '/none' ? undefined : BigInt(path.length)),
  interfaceIndexOf: (name) => (name === 'none' ? undefined : name.length),
};
const CONTEXT: FilterContext = {
  namespaceLabel: 'host',
  ephemeralPorts: PORTS,
  cgroupIdOf: OPTIONS.cgroupIdOf,
  interfaceIndexOf: OPTIONS.interfaceIndexOf,
};

/** The same socket as a table of one row, for the evaluation in user space. */
function tableOf(entry: Entry): SocketTable {
  const row: Partial<SocketTable> = {
    count: 1,
    state: () => 1,
    kind: () => 'full',
    family: () => entry.family,
    localAddressBytes: () => Uint8Array.from(entry.local),
    remoteAddressBytes: () => Uint8Array.from(entry.remote),
    localPort: () => entry.localPort,
    remotePort: () => entry.remotePort,
    interfaceIndex: () => entry.interfaceIndex,
    mark: () => entry.mark,
    cgroupId: () => entry.cgroupId,
    receiveQueue: () => entry.localPort % 3,
    inode: () => 0,
  };
  return row as SocketTable;
}

// Few values, so that conditions and sockets meet often.
const v4 = fc.constantFrom([10, 0, 0, 1], [10, 0, 0, 2], [10, 1, 0, 1], [127, 0, 0, 1], [0, 0, 0, 0]);
const v6 = fc.oneof(
  v4.map((address) => [...new Array(10).fill(0), 255, 255, ...address]),
  fc.constantFrom(
    new Array<number>(16).fill(0),
    [32, 1, 13, 184, ...new Array(11).fill(0), 1],
    [10, 0, 0, 1, ...new Array(12).fill(0)],
  ),
);
const port = fc.constantFrom(0, 1, 79, 80, 81, 443, 32_768, 60_999, 65_534, 65_535);
const side = fc.constantFrom('local', 'remote');
const family = fc.constantFrom(undefined, undefined, 4, 6);

const entries: fc.Arbitrary<Entry> = fc.constantFrom(4, 6).chain((family) => {
  const address = family === 4 ? v4 : v6;
  return fc
    .record({
      local: address,
      remote: address,
      localPort: port,
      remotePort: port,
      interfaceIndex: fc.nat({ max: 4 }),
      mark: fc.constantFrom(0, 1, 3, 0x80000001, 0xffffffff),
      cgroupId: fc.constantFrom(0n, 2n, 3n, 0x1_0000_0002n),
    })
    .map((entry) => ({
      ...entry,
      family: family as 4 | 6,
      autobound: entry.localPort >= PORTS[0] && entry.localPort <= PORTS[1],
    }));
});

const host = fc.oneof(v4, v6, fc.constant(undefined)).chain((address) =>
  fc.record({
    type: fc.constant('host'),
    side,
    family,
    address: fc.constant(address),
    prefixBits: address ? fc.nat({ max: address.length * 8 }) : fc.constant(undefined),
    port: fc.option(port, { nil: undefined }),
  }),
) as fc.Arbitrary<FilterNode>;
const compared = fc.record({
  type: fc.constant('port'),
  side,
  family,
  comparison: fc.constantFrom('<', '<=', '>', '>='),
  port,
}) as fc.Arbitrary<FilterNode>;
const exactLeaf = fc.oneof(
  { weight: 4, arbitrary: host },
  { weight: 4, arbitrary: compared },
  fc.oneof(fc.nat({ max: 4 }), fc.constant('eth')).map((device): FilterNode => ({ type: 'device', device })),
  fc.constantFrom('/a', '/ab').map((path): FilterNode => ({ type: 'cgroup', path })),
  fc.constantFrom(0, 1, 3, 0x80000001).map((mark): FilterNode => ({ type: 'mark', mark, mask: mark | 0xf0000000 })),
);
/** What the kernel cannot check, or not in full. */
const otherLeaf = fc.constantFrom<FilterNode>(
  { type: 'recvq', comparison: '>', value: 0 },
  { type: 'netns', text: 'host' },
  { type: 'state', mask: 4 },
  { type: 'autobound' },
  { type: 'device', device: 'none' },
  { type: 'cgroup', path: '/none' },
);

function trees(leaf: fc.Arbitrary<FilterNode>): fc.Arbitrary<FilterNode> {
  return fc.letrec<{ node: FilterNode }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      tie('node').map((of): FilterNode => ({ type: 'not', of })),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((of): FilterNode => ({ type: 'and', of })),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((of): FilterNode => ({ type: 'or', of })),
    ),
  })).node;
}

function asts(leaf: fc.Arbitrary<FilterNode>): fc.Arbitrary<FilterAst> {
  return fc.tuple(trees(leaf), family).map(([expression, family]) => ({
    expression,
    ...(family === undefined ? {} : { family: family as 4 | 6 }),
    notes: [],
  }));
}

describe('compileBytecode', () => {
  it('agrees with the evaluation in user space on whatever the kernel can check', () => {
    fc.assert(
      fc.property(asts(exactLeaf), fc.array(entries, { minLength: 1, maxLength: 8 }), (ast, sockets) => {
        const { bytes, residual } = compileBytecode(ast, OPTIONS);
        expect(residual).toBeUndefined();
        expect(audit(bytes!, true)).toBe(0);
        const test = compileFilter(ast, CONTEXT);
        for (const socket of sockets) expect(run(bytes!, socket)).toBe(test(tableOf(socket), 0));
      }),
      { numRuns: 3000 },
    );
  });

  it('leaves exactly the rest to the residual', () => {
    const leaf = fc.oneof({ weight: 2, arbitrary: exactLeaf }, { weight: 1, arbitrary: otherLeaf });
    const options = fc.constantFrom(OPTIONS, { ...OPTIONS, allowMark: false }, { ...OPTIONS, allowCgroup: false }, {});
    fc.assert(
      fc.property(asts(leaf), options, fc.array(entries, { minLength: 1, maxLength: 8 }), (ast, options, sockets) => {
        const { bytes, residual } = compileBytecode(ast, options);
        if (bytes) expect(audit(bytes, options.allowMark === true)).toBe(0);
        const whole = compileFilter(ast, CONTEXT);
        const rest = residual ? compileFilter(residual, CONTEXT) : () => true;
        for (const socket of sockets) {
          const table = tableOf(socket);
          const passed = bytes === undefined || run(bytes, socket);
          expect(passed && rest(table, 0)).toBe(whole(table, 0));
        }
      }),
      { numRuns: 3000 },
    );
  });

  const compile = (text: string, options: BytecodeOptions = OPTIONS) => compileBytecode(parseFilter(text), options);
  const pushedAndLeft = (text: string, options?: BytecodeOptions) => {
    const { bytes, residual } = compile(text, options);
    return [bytes !== undefined, residual?.expression?.type];
  };

  it.each<[string, boolean, string | undefined]>([
    ['', false, undefined],
    ['dport 80', true, undefined],
    ['recvq > 0', false, 'recvq'],
    ['dport 80 recvq > 0', true, 'recvq'],
    ['dport 80 recvq > 0 stuck', true, 'and'],
    ['dport 80 or recvq > 0', false, 'or'],
    // The half that the kernel can check narrows each side down.
    ['( dport 80 recvq > 0 ) or ( dport 81 stuck )', true, 'or'],
    ['not ( dport 80 or recvq > 0 )', true, 'not'],
    ['not ( dport 80 recvq > 0 )', false, 'not'],
    ['autobound', true, 'autobound'],
    ['not autobound', false, 'not'],
    ['dst inet:*', true, undefined],
  ])('%s: bytes %s, left %s', (text, pushed, left) => {
    expect(pushedAndLeft(text)).toEqual([pushed, left]);
  });

  it('keeps the state clauses, which only a state mask can express', () => {
    expect(compile('state close-wait dport 80').residual).toEqual({ states: 1 << 8, notes: [] });
  });

  it('asks for marks and cgroups only where the kernel takes them', () => {
    expect(pushedAndLeft('fwmark 1')).toEqual([true, undefined]);
    expect(pushedAndLeft('fwmark 1', {})).toEqual([false, 'mark']);
    expect(pushedAndLeft('cgroup /a', { ...OPTIONS, allowCgroup: false })).toEqual([false, 'cgroup']);
    expect(audit(compile('fwmark 1').bytes!, false)).toBe('EPERM');
  });

  it('writes what ss writes', () => {
    const hex = (text: string) => Buffer.from(compile(text).bytes!).toString('hex');
    // strace -e write=3 ss -4tan FILTER, iproute2 6.1 on x86-64: the attribute's payload.
    expect(hex('sport >= 80')).toBe('02080c0000005000');
    expect(hex('dst 10.0.0.0/8:443')).toBe('0810140002080000bb0100000a000000');
    // ss adds four unused address bytes to a port alone; the jump is the same.
    expect(hex('dport != 80')).toBe(['080c1000', '00000000', '50000000', '01040800'].join(''));
  });

  it('leaves to the residual what would make the program too long', () => {
    const many = Array.from({ length: 5000 }, (_, index) => `dport = :${index}`);
    const either = compile(`sport 80 ( ${many.join(' or ')} )`);
    expect(either.bytes).toHaveLength(12);
    expect(either.residual?.expression?.type).toBe('or');
    const each = compile(many.map((one) => `not ${one}`).join(' '));
    expect(each.bytes!.length).toBeLessThanOrEqual(16_384);
    expect(audit(each.bytes!, false)).toBe(0);
    expect(each.residual?.expression?.type).toBe('and');
  });
});
