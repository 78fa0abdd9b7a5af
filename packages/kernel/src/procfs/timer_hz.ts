import { readFileSync } from 'node:fs';
import { errorCode } from './errors.ts';

export interface TimerHzQuery {
  procRoot: string;
  /** Directory of `config-RELEASE`, usually `/boot`. */
  bootRoot: string;
  /** `uname -r`. */
  release: string;
}

const KEY = '\nCONFIG_HZ=';

/** CONFIG_HZ of a kernel configuration in text. The file names further options that start alike (`CONFIG_HZ_250`). */
export function parseTimerHz(config: Buffer): number | undefined {
  const found = config.indexOf(KEY);
  if (found < 0) return undefined;
  const value = config.subarray(found + KEY.length, found + KEY.length + 12).toString('latin1');
  const digits = /^(\d+)\s*\n/.exec(value)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Ticks per second that this kernel was built with; undefined when no configuration can be read. About 1 ms: not cached. */
export function readTimerHz({ procRoot, bootRoot, release }: TimerHzQuery): number | undefined {
  const plain = readBytes(`${bootRoot}/config-${release}`);
  const found = plain === undefined ? undefined : parseTimerHz(plain);
  if (found !== undefined) return found;
  const packed = readBytes(`${procRoot}/config.gz`);
  return packed === undefined ? undefined : fromPacked(packed);
}

/** The option stands in the first part of the file, so a quarter of it is tried before all of it. */
function fromPacked(packed: Buffer): number | undefined {
  for (const part of [packed.subarray(0, packed.length >> 2), packed]) {
    const config = unpack(part);
    const found = config === undefined ? undefined : parseTimerHz(config);
    if (found !== undefined) return found;
  }
  return undefined;
}

function unpack(packed: Buffer): Buffer | undefined {
  // Not imported: zlib takes as long to load as all else here takes to run, and is not always needed.
  const { constants, gunzipSync } = process.getBuiltinModule('node:zlib');
  try {
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 16 << 20 });
  } catch {
    return undefined;
  }
}

function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}
