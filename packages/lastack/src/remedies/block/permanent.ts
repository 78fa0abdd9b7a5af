import path from 'node:path';
import { readFileIfThere, removeFile, replaceFile } from '@lastack/kernel';
import { type Block, blockKey, readBlock } from './block.ts';
import { elementText, tableText } from './ruleset.ts';

/** Below /etc: our own file, and those of distributions that load one when the host starts. */
const OWN_FILE = 'lastack/blocks.nft';
const LOADED_FILES = ['nftables.conf', 'sysconfig/nftables.conf'] as const;
const ENABLED_UNITS = ['sysinit.target.wants', 'multi-user.target.wants', 'basic.target.wants'] as const;
const MARK = '# block ';

/** The blocks that the file keeps. Lines that are none are passed over. @throws file system errors */
export function permanentBlocks(etcRoot: string): Block[] {
  const text = readFileIfThere(path.join(etcRoot, OWN_FILE)) ?? '';
  return text.split('\n').flatMap((line) => (line.startsWith(MARK) ? (parseMark(line.slice(MARK.length)) ?? []) : []));
}

function parseMark(text: string): Block | undefined {
  try {
    return readBlock(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Writes the file anew; without a block there is none. @throws file system errors */
export function writePermanent(etcRoot: string, blocks: readonly Block[]): void {
  const file = path.join(etcRoot, OWN_FILE);
  if (blocks.length === 0) removeFile(file);
  else replaceFile(file, permanentText(blocks));
}

/** Adds to the file, in place of blocks of the same connections. @throws file system errors */
export function makePermanent(etcRoot: string, blocks: readonly Block[]): void {
  const added = new Set(blocks.map(blockKey));
  const kept = permanentBlocks(etcRoot).filter((block) => !added.has(blockKey(block)));
  writePermanent(etcRoot, [...kept, ...blocks.map(({ verdict, local, remote }) => ({ verdict, local, remote }))]);
}

/** Takes out of the file. @returns what was in it. @throws file system errors */
export function forgetPermanent(etcRoot: string, blocks: readonly Block[]): Block[] {
  const present = permanentBlocks(etcRoot);
  const gone = new Set(blocks.map(blockKey));
  const removed = present.filter((block) => gone.has(blockKey(block)));
  if (removed.length > 0) {
    writePermanent(
      etcRoot,
      present.filter((block) => !gone.has(blockKey(block))),
    );
  }
  return removed;
}

/** A script for nft that may be loaded on top of itself. */
export function permanentText(blocks: readonly Block[]): string {
  const head = '# Written by lastack: changes made here are lost. Remove blocks with: lastack block remove\n';
  const lines = blocks.map(({ verdict, local, remote }) => {
    const block = { verdict, local, remote };
    return `${MARK}${JSON.stringify(block)}\n${elementText(block)}`;
  });
  return `${head}${tableText()}${lines.join('')}`;
}

/**
 * What is still missing for the file to be loaded when the host starts, one step a line; empty when nothing is. Files of
 * the distribution are read and never changed.
 */
export function missingForBoot(etcRoot: string): string[] {
  const own = path.join(etcRoot, OWN_FILE);
  const loaded = LOADED_FILES.map((name) => path.join(etcRoot, name)).find(
    (file) => readFileIfThere(file) !== undefined,
  );
  const steps: string[] = [];
  const target = loaded ?? path.join(etcRoot, LOADED_FILES[0]);
  if (!loaded || !includes(readFileIfThere(loaded) ?? '', own)) {
    steps.push(`add this line at the end of ${target}${loaded ? '' : ' (to be made)'}: include "${own}"`);
  }
  const isEnabled = ENABLED_UNITS.some((folder) => {
    const unit = path.join(etcRoot, 'systemd/system', folder, 'nftables.service');
    return readFileIfThere(unit) !== undefined;
  });
  if (!isEnabled) steps.push('have it loaded when the host starts: systemctl enable nftables');
  return steps;
}

function includes(text: string, own: string): boolean {
  return [...text.matchAll(/^[ \t]*include[ \t]+"([^"\n]+)"/gm)].some(([, pattern]) => {
    const words = pattern.split('*').map((word) => word.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${words.join('[^/]*')}$`).test(own);
  });
}
