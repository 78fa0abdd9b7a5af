import { KernelError, type Nft } from '@lastack/kernel';
import { type Block, blockKey } from './block.ts';
import { addElements, createTable, readBlocks, removeElements, setName, TABLE, TABLE_NAME } from './ruleset.ts';

/** Blocks of one transaction, each written nine times with up to 100 bytes: NFT_COMMAND_BYTES must hold them. */
const AT_ONCE = 100;

/** The blocks of the calling thread's namespace. @throws KernelError */
export function blocksInForce(nft: Nft): Block[] {
  return readBlocks(nft.listTable(TABLE.family, TABLE_NAME) ?? []);
}

/** Adds blocks in the calling thread's namespace, in place of those of the same connections. @throws KernelError */
export function putInForce(nft: Nft, blocks: readonly Block[]): void {
  const objects = nft.listTable(TABLE.family, TABLE_NAME);
  if (objects && !isOurs(objects)) {
    throw new KernelError('adding a block', 17, {
      detail: `there is a table ${TABLE.family} ${TABLE_NAME} that was not made by this version of lastack`,
      todo: `look at it (nft list table ${TABLE.family} ${TABLE_NAME}), then remove or rename it`,
    });
  }
  let first = objects ? [] : createTable();
  for (const some of batches(blocks)) {
    nft.apply([...first, ...addElements(some)]);
    first = [];
  }
}

/** Removes blocks, and the table with the last of them, so that nothing of lastack stays behind. @throws KernelError */
export function takeOutOfForce(nft: Nft, blocks: readonly Block[]): void {
  if (!nft.listTable(TABLE.family, TABLE_NAME)) return;
  for (const some of batches(blocks)) nft.apply(removeElements(some));
  if (blocksInForce(nft).length > 0) return;
  nft.apply([{ delete: { table: { family: TABLE.family, name: TABLE_NAME } } }]);
}

/** Those of `blocks` that stand for one of `wanted`'s connections. */
export function sameConnections<T extends Block>(blocks: readonly T[], wanted: readonly Block[]): T[] {
  const keys = new Set(wanted.map(blockKey));
  return blocks.filter((block) => keys.has(blockKey(block)));
}

function isOurs(objects: readonly Readonly<Record<string, unknown>>[]): boolean {
  const sets = new Set(objects.map(({ set }) => (set as { name?: unknown } | undefined)?.name));
  return (['reject', 'drop'] as const).every(
    (verdict) => sets.has(setName(verdict, 4)) && sets.has(setName(verdict, 6)),
  );
}

function batches(blocks: readonly Block[]): Block[][] {
  return Array.from({ length: Math.ceil(blocks.length / AT_ONCE) }, (_, index) =>
    blocks.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
  );
}
