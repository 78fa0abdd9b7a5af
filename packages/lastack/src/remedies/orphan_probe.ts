import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TcpState } from '@lastack/core';
import {
  DestroyCode,
  destroySockets,
  KernelError,
  lookupSockets,
  makeOwnOrphan,
  type OwnOrphan,
} from '@lastack/kernel';
import type { Effects } from '../effects.ts';

/**
 * What SOCK_DESTROY does to an orphan on this kernel: `ends` it, or `breaks` it: some kernels take its timers away and
 * leave it, for ever, and report success. `unknown` where it could not be tried, which has to be taken for `breaks`.
 */
export interface OrphanTrial {
  verdict: 'ends' | 'breaks' | 'unknown';
  /** The evidence. */
  because: string;
}

const CACHE_FILE = 'orphan-trial.json';

/**
 * Tries it on an own orphan in a throw-away network namespace, once per boot: a verdict is kept in `directory`, when
 * one is given. Never rejects for want of privilege.
 */
export async function orphanTrial(effects: Effects, directory?: string): Promise<OrphanTrial> {
  const boot = bootId(effects);
  const file = directory && boot ? path.join(directory, CACHE_FILE) : undefined;
  const known = file && readCached(file, boot);
  if (known) return known;
  const trial = await tryIt(effects);
  // What was not found out today may be found out with more privilege tomorrow.
  if (file && trial.verdict !== 'unknown') keep(file, boot, effects.pid, trial);
  return trial;
}

async function tryIt(effects: Effects): Promise<OrphanTrial> {
  let orphan: OwnOrphan;
  try {
    orphan = makeOwnOrphan(effects.libc());
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { verdict: 'unknown', because: `no orphan could be made to try it on: ${error.message}` };
  }
  try {
    return await destroyAndLook(orphan);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { verdict: 'unknown', because: error.message };
  } finally {
    orphan.release();
  }
}

async function destroyAndLook({ diag, identity }: OwnOrphan): Promise<OrphanTrial> {
  const [before] = await lookupSockets(diag, [identity]);
  const isOrphan =
    before.kind === 'there' &&
    before.table.state(before.row) === TcpState.FIN_WAIT1 &&
    before.table.kind(before.row) === 'orphan';
  if (!isOrphan) return { verdict: 'unknown', because: 'the own orphan did not stay in FIN_WAIT1' };
  const [code] = await destroySockets(diag, [identity]);
  if (code !== DestroyCode.DONE) {
    return { verdict: 'unknown', because: new KernelError('ending an own orphan', Math.max(0, code)).message };
  }
  const [after] = await lookupSockets(diag, [identity]);
  if (after.kind !== 'there') return { verdict: 'ends', because: 'an own orphan was gone after SOCK_DESTROY' };
  return { verdict: 'breaks', because: 'an own orphan was still there after SOCK_DESTROY' };
}

function bootId({ procRoot }: Effects): string {
  try {
    return readFileSync(`${procRoot}/sys/kernel/random/boot_id`, 'utf8').trim();
  } catch {
    return '';
  }
}

interface Cached extends OrphanTrial {
  boot: string;
}

/** Anything unexpected in the file counts as no file. */
function readCached(file: string, boot: string): OrphanTrial | undefined {
  try {
    const { boot: then, verdict, because } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Cached>;
    if (then !== boot || (verdict !== 'ends' && verdict !== 'breaks') || typeof because !== 'string') return undefined;
    return { verdict, because };
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written only means that it is tried again. */
function keep(file: string, boot: string, pid: number, trial: OrphanTrial): void {
  const cached: Cached = { boot, ...trial };
  try {
    const mine = `${file}.${pid}`;
    writeFileSync(mine, `${JSON.stringify(cached)}\n`, { mode: 0o600 });
    renameSync(mine, file);
  } catch {
    // See above.
  }
}
