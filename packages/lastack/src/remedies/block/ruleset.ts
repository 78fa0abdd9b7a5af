import type { NftCommand } from '@lastack/kernel';
import { type Block, familyOf, readBlock, VERDICTS, type Verdict } from './block.ts';

/** Everything lastack adds to nftables is in this table: `nft delete table inet lastack` removes all of it. */
export const TABLE = { family: 'inet', table: 'lastack' } as const;
export const TABLE_NAME = TABLE.table;
const CHAINS = ['input', 'forward', 'output'] as const;
/** Before the usual filters, so that none of them decides first. */
const PRIORITY = -10;
const FAMILIES = [4, 6] as const;

const PROTOCOL = { 4: 'ip', 6: 'ip6' } as const;
const ADDRESS_TYPE = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const;

/** `reject4`, `drop6`: one set for each verdict and family, one element for each connection. */
export function setName(verdict: Verdict, family: 4 | 6): string {
  return `${verdict}${family}`;
}

/** One rule of each chain: packets of a set's connections in one of the two directions. */
interface BlockRule {
  verdict: Verdict;
  family: 4 | 6;
  mirrored: boolean;
}

const RULES: readonly BlockRule[] = VERDICTS.flatMap((verdict) =>
  FAMILIES.flatMap((family) => [false, true].map((mirrored) => ({ verdict, family, mirrored }))),
);

type Field = readonly [protocol: string, field: string];

function fieldsOf({ family, mirrored }: BlockRule): Field[] {
  const source: Field[] = [
    [PROTOCOL[family], 'saddr'],
    ['tcp', 'sport'],
  ];
  const destination: Field[] = [
    [PROTOCOL[family], 'daddr'],
    ['tcp', 'dport'],
  ];
  return mirrored ? [...destination, ...source] : [...source, ...destination];
}

/** Makes the table, its sets, chains and rules. Fails when the table is there already. */
export function createTable(): NftCommand[] {
  return [
    { create: { table: { family: TABLE.family, name: TABLE.table } } },
    ...VERDICTS.flatMap((verdict) =>
      FAMILIES.map((family) => {
        const address = ADDRESS_TYPE[family];
        const type = [address, 'inet_service', address, 'inet_service'];
        return { add: { set: { ...TABLE, name: setName(verdict, family), type, flags: ['timeout'] } } };
      }),
    ),
    ...CHAINS.map((name) => ({
      add: { chain: { ...TABLE, name, type: 'filter', hook: name, prio: PRIORITY, policy: 'accept' } },
    })),
    ...CHAINS.flatMap((chain) =>
      RULES.map((rule) => ({ add: { rule: { ...TABLE, chain, expr: expressionOf(rule) } } })),
    ),
  ];
}

function expressionOf(rule: BlockRule): unknown[] {
  const concat = fieldsOf(rule).map(([protocol, field]) => ({ payload: { protocol, field } }));
  const match = { match: { op: '==', left: { concat }, right: `@${setName(rule.verdict, rule.family)}` } };
  if (rule.verdict === 'drop') return [match, { drop: null }];
  // A reset is let through: it ends the connection as well, and the one that reject sends must arrive.
  const flags = { '&': [{ payload: { protocol: 'tcp', field: 'flags' } }, 'rst'] };
  return [match, { match: { op: '==', left: flags, right: 0 } }, { reject: { type: 'tcp reset' } }];
}

/** The same in nft's own language, for a file that is loaded when the host starts. It may be loaded again and again. */
export function tableText(): string {
  const table = `${TABLE.family} ${TABLE.table}`;
  const lines = [`add table ${table}`];
  for (const verdict of VERDICTS) {
    for (const family of FAMILIES) {
      const type = `${ADDRESS_TYPE[family]} . inet_service`;
      lines.push(`add set ${table} ${setName(verdict, family)} { type ${type} . ${type}; flags timeout; }`);
    }
  }
  for (const chain of CHAINS) {
    const hook = `type filter hook ${chain} priority filter - ${-PRIORITY}; policy accept;`;
    lines.push(`add chain ${table} ${chain} { ${hook} }`, `flush chain ${table} ${chain}`);
    for (const rule of RULES) {
      const fields = fieldsOf(rule).map((field) => field.join(' '));
      const match = `${fields.join(' . ')} @${setName(rule.verdict, rule.family)}`;
      const verdict = rule.verdict === 'drop' ? 'drop' : 'tcp flags & rst == 0 reject with tcp reset';
      lines.push(`add rule ${table} ${chain} ${match} ${verdict}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** One element in nft's own language. */
export function elementText(block: Block): string {
  const { local, remote } = block;
  const element = `${local.address} . ${local.port} . ${remote.address} . ${remote.port}`;
  return `add element ${TABLE.family} ${TABLE.table} ${setName(block.verdict, familyOf(block))} { ${element} }\n`;
}

/** Adds the blocks, in place of any that stand for the same connections. */
export function addElements(blocks: readonly Block[]): NftCommand[] {
  return [...removeElements(blocks), ...bySet(blocks, 'add', (block) => withTimeout(block))];
}

/**
 * Removes whatever stands for these connections, in either direction and verdict. Removing an element that is not there
 * would fail, so each is added first: within one transaction that is never in force.
 */
export function removeElements(blocks: readonly Block[]): NftCommand[] {
  const everywhere = blocks.flatMap((block) =>
    VERDICTS.flatMap((verdict) => [
      { ...block, verdict },
      { ...block, verdict, local: block.remote, remote: block.local },
    ]),
  );
  return [...bySet(everywhere, 'add', elementOf), ...bySet(everywhere, 'delete', elementOf)];
}

function bySet(blocks: readonly Block[], action: 'add' | 'delete', element: (block: Block) => unknown): NftCommand[] {
  const sets = new Map<string, unknown[]>();
  for (const block of blocks) {
    const name = setName(block.verdict, familyOf(block));
    const elements = sets.get(name);
    if (elements) elements.push(element(block));
    else sets.set(name, [element(block)]);
  }
  return [...sets].map(([name, elem]) => ({ [action]: { element: { ...TABLE, name, elem } } }));
}

function elementOf({ local, remote }: Block): { concat: unknown[] } {
  return { concat: [local.address, local.port, remote.address, remote.port] };
}

function withTimeout(block: Block): unknown {
  if (block.timeoutMs === undefined) return elementOf(block);
  return { elem: { val: elementOf(block), timeout: Math.max(1, Math.round(block.timeoutMs / 1000)) } };
}

/** The blocks among the objects of the table, as `nft --json list table` gives them. */
export function readBlocks(objects: readonly Readonly<Record<string, unknown>>[]): Block[] {
  const blocks: Block[] = [];
  for (const { set } of objects) {
    if (typeof set !== 'object' || set === null) continue;
    const { name, elem } = set as Record<string, unknown>;
    const verdict = VERDICTS.find((one) => FAMILIES.some((family) => setName(one, family) === name));
    if (!verdict || !Array.isArray(elem)) continue;
    for (const element of elem) {
      const block = readElement(verdict, element);
      if (block) blocks.push(block);
    }
  }
  return blocks;
}

/** `{concat: […]}`, or `{elem: {val: {concat: […]}, timeout, expires}}` in seconds. */
function readElement(verdict: Verdict, element: unknown): Block | undefined {
  if (typeof element !== 'object' || element === null) return undefined;
  const { elem } = element as { elem?: Record<string, unknown> };
  const { concat } = (elem?.val ?? element ?? {}) as { concat?: unknown };
  if (!Array.isArray(concat)) return undefined;
  const [address, port, remoteAddress, remotePort] = concat;
  const timeoutMs = typeof elem?.timeout === 'number' ? elem.timeout * 1000 : undefined;
  const ends = { local: { address, port }, remote: { address: remoteAddress, port: remotePort } };
  const block = readBlock({ verdict, ...ends, timeoutMs });
  if (!block || typeof elem?.expires !== 'number') return block;
  return { ...block, leftMs: elem.expires * 1000 };
}
