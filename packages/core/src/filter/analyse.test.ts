import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_STATES } from '../tcp/parse_state.ts';
import { TcpState } from '../tcp/states.ts';
import { tableOf } from '../testing.ts';
import { requirements, stateMask } from './analyse.ts';
import type { FilterNode } from './ast.ts';
import { compileFilter } from './evaluate.ts';
import { parseFilter } from './parse.ts';

const NOTHING = {
  owners: false,
  info: false,
  stuck: false,
  mark: false,
  ephemeralPorts: false,
  namespaces: [],
  cgroups: [],
  devices: [],
};

describe('requirements', () => {
  it.each([
    ['state close-wait dst 10/8 sport 80 recvq > 0 orphan', {}],
    ['dev 3', {}],
    ['not ( pid 3 or age > 5m )', { owners: true, info: true }],
    ['comm x stuck autobound fwmark 1', { owners: true, stuck: true, ephemeralPorts: true, mark: true }],
    [
      'cgroup /a or cgroup /b or not cgroup /a or dev eth0 or netns web',
      { cgroups: ['/a', '/b'], devices: ['eth0'], namespaces: ['web'] },
    ],
  ])('%s', (text, expected) => {
    expect(requirements(parseFilter(text))).toEqual({ ...NOTHING, ...expected });
  });
});

describe('stateMask', () => {
  const bits = (...states: number[]) => states.reduce((mask, state) => mask | (1 << state), 0);
  const { CLOSE_WAIT, LISTEN, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK } = TcpState;
  it.each([
    ['', ALL_STATES],
    ['dport 80', ALL_STATES],
    ['state close-wait dport 80', bits(CLOSE_WAIT)],
    ['( state close-wait or state listening ) dport 80', bits(CLOSE_WAIT, LISTEN)],
    ['state close-wait or dport 80', ALL_STATES],
    ['dport 80 and not state listening', ALL_STATES & ~bits(LISTEN)],
    ['not ( state listening or dport 80 )', ALL_STATES & ~bits(LISTEN)],
    ['orphan', bits(FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK)],
    ['unaccepted exclude established', bits(CLOSE_WAIT)],
    ['not unaccepted', ALL_STATES],
    ['state established unaccepted', bits(ESTABLISHED)],
  ])('%s', (text, mask) => {
    expect(stateMask(parseFilter(text))).toBe(mask);
  });
});

const addresses = ['10.0.0.1', '::ffff:a00:1', '2001:db8::1'];
const leaf = fc.oneof(
  fc.nat({ max: ALL_STATES }).map((mask): FilterNode => ({ type: 'state', mask })),
  fc.constantFrom<FilterNode>({ type: 'orphan' }, { type: 'unaccepted' }),
  fc
    .constantFrom('dst 10/8', 'dst [2001:db8::/32]', 'src inet6:*', 'sport >= inet:80')
    .map((text) => parseFilter(text).expression!),
);
const { node } = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    leaf,
    tie('node').map((of): FilterNode => ({ type: 'not', of })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((of): FilterNode => ({ type: 'and', of })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((of): FilterNode => ({ type: 'or', of })),
  ),
}));

it('no socket matches outside of the states that are announced', () => {
  const sockets = fc.record({
    state: fc.constantFrom(...Object.values(TcpState)),
    local: fc.constantFrom(...addresses),
    inode: fc.constantFrom(0, 7),
  });
  fc.assert(
    fc.property(node, sockets, (expression, { state, local, inode }) => {
      const ast = { expression, notes: [] };
      const table = tableOf([{ state, local, remote: local, inode }]);
      if (!compileFilter(ast, { namespaceLabel: 'host' })(table, 0)) return;
      expect(stateMask(ast) & (1 << state)).not.toBe(0);
    }),
    { numRuns: 2000 },
  );
});
