import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { errorCode, reasonOf } from './procfs/errors.ts';

/** Where systemd-sysctl(8) and `sysctl --system` look, the strongest first: a file name hides the same one behind it. */
const FOLDERS = ['etc/sysctl.d', 'run/sysctl.d', 'usr/local/lib/sysctl.d', 'usr/lib/sysctl.d', 'lib/sysctl.d'] as const;
/** Read last, and only by `sysctl --system` of procps (systemd reads it where a link in a folder leads to it). */
const PROCPS_FILE = 'etc/sysctl.conf';

/** One line of a file of settings. */
export interface SysctlLine {
  file: string;
  line: number;
  /** Below /proc/sys, with slashes; may hold the wildcards of glob(7). */
  pattern: string;
  /** undefined: `-pattern` without a value, which takes names out of what wildcards set. */
  value: string | undefined;
}

export interface SysctlFiles {
  /** In the order in which they are applied when the host starts. */
  lines: SysctlLine[];
  /** What could not be read, and why. */
  unreadable: { file: string; because: string }[];
}

/** The lines of one file, comments and what is no assignment left out (sysctl.d(5)). */
export function parseSysctlFile(file: string, text: string): SysctlLine[] {
  return text.split('\n').flatMap((raw, index): SysctlLine[] => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return [];
    const isMarked = line.startsWith('-');
    const rest = isMarked ? line.slice(1) : line;
    const equals = rest.indexOf('=');
    if (equals < 0 && !isMarked) return [];
    const key = (equals < 0 ? rest : rest.slice(0, equals)).trim();
    const value =
      equals < 0
        ? undefined
        : rest
            .slice(equals + 1)
            .trim()
            .replaceAll(/\s+/g, ' ');
    return key === '' ? [] : [{ file, line: index + 1, pattern: sysctlPath(key), value }];
  });
}

/** `net.ipv4.tcp_mem` and `net/ipv4/tcp_mem` → `net/ipv4/tcp_mem`: the first separator says which kind it is. */
export function sysctlPath(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  if (first !== '.') return key;
  return key.replaceAll(/[./]/g, (sign) => (sign === '.' ? '/' : '.'));
}

/** All that is applied at boot below this root (`/`). @param withProcps also what only `sysctl --system` reads */
export function readSysctlFiles(root: string, { withProcps }: { withProcps: boolean }): SysctlFiles {
  const byName = new Map<string, string>();
  const found: SysctlFiles = { lines: [], unreadable: [] };
  for (const folder of FOLDERS) {
    const directory = path.join(root, folder);
    for (const name of namesIn(directory, found)) {
      if (name.endsWith('.conf') && !byName.has(name)) byName.set(name, path.join(directory, name));
    }
  }
  const files = [...byName].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, file]) => file);
  if (withProcps) files.push(path.join(root, PROCPS_FILE));
  for (const file of files) found.lines.push(...linesOf(file, found));
  return found;
}

/**
 * The line that decides a setting at boot: the last that names it, or else the last whose wildcards fit, for what is
 * named counts before what only fits, in whatever order they stand.
 */
export function decidingLine(lines: readonly SysctlLine[], name: string): SysctlLine | undefined {
  const named = lines.findLast(({ pattern, value }) => pattern === name && value !== undefined);
  if (named || lines.some(({ pattern }) => pattern === name)) return named;
  return lines.findLast(({ pattern, value }) => value !== undefined && fits(pattern, name));
}

function fits(pattern: string, name: string): boolean {
  if (!/[*?[]/.test(pattern)) return false;
  const source = pattern.replaceAll(/\[!|[*?[\]]|[\\^$.|+(){}]/g, (sign) => WILDCARDS[sign] ?? `\\${sign}`);
  try {
    return new RegExp(`^${source}$`).test(name);
  } catch {
    return false;
  }
}

/** Wildcards do not reach across a slash. */
const WILDCARDS: Readonly<Record<string, string>> = { '*': '[^/]*', '?': '[^/]', '[': '[', ']': ']', '[!': '[^' };

function namesIn(directory: string, { unreadable }: SysctlFiles): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') unreadable.push({ file: directory, because: reasonOf(error) });
    return [];
  }
}

function linesOf(file: string, { unreadable }: SysctlFiles): SysctlLine[] {
  try {
    return parseSysctlFile(file, readFileSync(file, 'utf8'));
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code !== 'ENOENT') unreadable.push({ file, because: reasonOf(error) });
    return [];
  }
}
