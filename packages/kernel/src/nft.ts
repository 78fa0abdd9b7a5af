import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { KernelError } from './errors.ts';

/** One command of the JSON interface (libnftables-json(5)): `{add: {...}}`, `{delete: {...}}`, `{list: {...}}`. */
export type NftCommand = Readonly<Record<string, unknown>>;

/** Runs the nft program in the calling thread's network namespace. */
export interface Nft {
  /**
   * All commands as one transaction: either all take effect or none. Together they may take NFT_COMMAND_BYTES.
   * @throws KernelError
   */
  apply(commands: readonly NftCommand[]): void;
  /** The objects of one table; undefined when there is no such table. @throws KernelError */
  listTable(family: string, name: string): readonly Readonly<Record<string, unknown>>[] | undefined;
}

/** Where distributions put it; an ordinary user's PATH often lacks these. */
const ADMIN_FOLDERS: readonly string[] = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/run/current-system/sw/bin'];
/** The kernel takes no longer argument (MAX_ARG_STRLEN, 128 KiB). */
export const NFT_COMMAND_BYTES = 131_071;
const TIME_LIMIT_MS = 20_000;
const OUTPUT_LIMIT = 1 << 28;

/** Path of the nft program; undefined when it is not installed. @param searchPath $PATH */
export function findNft(searchPath: string | undefined, more: readonly string[] = ADMIN_FOLDERS): string | undefined {
  const folders = [...(searchPath ?? '').split(':').filter((folder) => folder.startsWith('/')), ...more];
  return folders.map((folder) => path.join(folder, 'nft')).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function openNft(program: string): Nft {
  return {
    apply(commands) {
      if (commands.length > 0) run(program, 'changing nftables', { nftables: commands });
    },
    listTable(family, name) {
      try {
        const text = run(program, 'reading nftables', { nftables: [{ list: { table: { family, name } } }] });
        return objectsIn(text);
      } catch (error) {
        if (error instanceof KernelError && error.errno === ENOENT) return undefined;
        throw error;
      }
    },
  };
}

const EPERM = 1;
const ENOENT = 2;
/** How nft words an errno (strerror of the C locale), and what to do about it. */
const WORDS: readonly (readonly [text: string, errno: number, todo?: string])[] = [
  ['Operation not permitted', EPERM, 'run as root or with CAP_NET_ADMIN'],
  ['Permission denied', 13, 'run as root or with CAP_NET_ADMIN'],
  ['No such file or directory', ENOENT],
  ['File exists', 17],
  ['Device or resource busy', 16],
  ['Operation not supported', 95, 'use a kernel with CONFIG_NF_TABLES and CONFIG_NFT_REJECT'],
  ['Protocol not supported', 93, 'use a kernel with CONFIG_NF_TABLES'],
];
const EINVAL = 22;

function run(program: string, operation: string, document: unknown): string {
  // Loaded when it is needed: it would make every start of lastack slower.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  // As an argument: nft opens its standard input anew by name, which fails for the sockets that Node gives to children.
  const result = spawnSync(program, ['--json', JSON.stringify(document)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: TIME_LIMIT_MS,
    maxBuffer: OUTPUT_LIMIT,
    env: { LC_ALL: 'C' },
  });
  if (result.error) {
    const { code, errno = 0 } = result.error as NodeJS.ErrnoException;
    throw new KernelError(operation, Math.abs(errno), { detail: `${program} could not be run: ${code}` });
  }
  if (result.status === 0) return result.stdout;
  throw nftError(operation, result.stderr, result.signal);
}

function nftError(operation: string, stderr: string, signal: string | null): KernelError {
  const [, errno, todo] = WORDS.find(([text]) => stderr.includes(text)) ?? ['', EINVAL, undefined];
  const line = stderr.split('\n').find((text) => text.trim() !== '');
  // Only the words of nft itself: what it quotes may come from anywhere.
  const said = line?.replace(/^.*?Error: /, '').replace(/[^\x20-\x7e]/g, '?') ?? 'it said nothing';
  return new KernelError(operation, errno, { detail: signal ? `nft was ended by ${signal}` : `nft: ${said}`, todo });
}

function objectsIn(text: string): Readonly<Record<string, unknown>>[] {
  const document: unknown = JSON.parse(text);
  const list = (document as { nftables?: unknown } | null)?.nftables;
  if (!Array.isArray(list)) throw new KernelError('reading nftables', 0, { detail: 'nft printed no JSON list' });
  return list.filter((one) => typeof one === 'object' && one !== null);
}
