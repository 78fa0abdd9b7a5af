import path from 'node:path';
import { dotted, parseSysctlFile, readFileIfThere, removeFile, replaceFile } from '@lastack/kernel';

/** Our own file of settings that are to hold after a restart; no other file is ever written. */
const OWN_FILE = 'etc/sysctl.d/60-lastack.conf';
const HEAD =
  '# Written by lastack. Take a value out with: lastack undo ENTRY, or delete its lines.\n# What else stands here is kept.\n';

/** One setting that is kept, or was, in our file. */
export interface KeptSetting {
  /** Below /proc/sys: `net/ipv4/tcp_fin_timeout`. */
  name: string;
  value: string;
}

/** A change of one setting in our file; undefined = not there. */
export interface KeptChange {
  name: string;
  before?: string;
  after: string;
}

/** Why and when a value was written, as a comment above it. */
export interface KeptReason {
  /** ISO 8601. */
  at: string;
  text: string;
}

export function keptFile(root: string): string {
  return path.join(root, OWN_FILE);
}

/** What our file keeps. @throws file system errors */
export function keptSettings(root: string): KeptSetting[] {
  const file = keptFile(root);
  return parseSysctlFile(file, readFileIfThere(file) ?? '').flatMap(({ pattern, value }) =>
    value === undefined ? [] : [{ name: pattern, value }],
  );
}

/**
 * Puts a setting into our file, in place of what it said of it before. Whole or not at all. @throws file system errors
 */
export function keepSettings(
  root: string,
  settings: readonly KeptSetting[],
  reasonOf: (name: string) => KeptReason,
): void {
  const names = new Set(settings.map(({ name }) => name));
  const kept = withoutSettings(textOf(root) ?? HEAD, names);
  const added = settings.map(({ name, value }) => {
    const { at, text } = reasonOf(name);
    return `\n# ${at.slice(0, 10)} ${text}\n${dotted(name)} = ${value}\n`;
  });
  replaceFile(keptFile(root), `${kept.trimEnd()}\n${added.join('')}`);
}

/**
 * Takes changes back: a setting that still has the value it was given gets the one before, or goes.
 * @returns the names that were put back. @throws file system errors
 */
export function takeBackKept(root: string, changes: readonly KeptChange[], reason: KeptReason): string[] {
  const mine = standingKept(root, changes);
  if (mine.length === 0) return [];
  const back = mine.flatMap(({ name, before }) => (before === undefined ? [] : [{ name, value: before }]));
  if (back.length > 0) keepSettings(root, back, () => reason);
  const gone = new Set(mine.filter(({ before }) => before === undefined).map(({ name }) => name));
  const text = withoutSettings(textOf(root) ?? '', gone);
  const isEmpty = text.split('\n').every((line) => line.trim() === '' || HEAD.includes(`${line}\n`));
  if (isEmpty) removeFile(keptFile(root));
  else if (gone.size > 0) replaceFile(keptFile(root), text);
  return mine.map(({ name }) => name);
}

/** The changes whose value still stands in our file. @throws file system errors */
export function standingKept(root: string, changes: readonly KeptChange[]): KeptChange[] {
  const present = new Map(keptSettings(root).map(({ name, value }) => [name, value]));
  return changes.filter(({ name, before, after }) => before !== after && present.get(name) === after);
}

function textOf(root: string): string | undefined {
  return readFileIfThere(keptFile(root));
}

/** The text without the lines of these settings and the comments right above them. */
function withoutSettings(text: string, names: ReadonlySet<string>): string {
  const lines = text.split('\n');
  const dropped = new Set<number>();
  for (const { line, pattern } of parseSysctlFile('', text)) {
    if (!names.has(pattern)) continue;
    dropped.add(line - 1);
    for (let above = line - 2; above >= 0 && lines[above].startsWith('#'); above--) dropped.add(above);
  }
  return lines
    .filter((_, index) => !dropped.has(index))
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n');
}
