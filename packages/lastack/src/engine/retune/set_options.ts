import {
  differingKeys,
  isAsSet,
  pickOptions,
  type RetuneKey,
  type RetuneWish,
  type SocketOptions,
} from '@lastack/core';
import { KernelError, type Libc, optionsOf, setSocketOption } from '@lastack/kernel';

/** Why nothing was set; `left` is said where even putting back failed. */
export interface NotSet {
  because: string;
}

/**
 * Sets options of an open socket in the given order and reads them back: all, or none. `present` are its options now,
 * which are put back when one of the new ones is refused or reads differently.
 */
export function setAllOrNone(
  libc: Libc,
  socket: number,
  present: SocketOptions,
  wish: RetuneWish,
  keys: readonly RetuneKey[],
): { read: SocketOptions } | NotSet {
  const done: RetuneKey[] = [];
  try {
    for (const key of keys) {
      setOne(libc, socket, key, wish);
      done.push(key);
    }
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { because: `${error.message}${putBack(libc, socket, present, done)}` };
  }
  const read = optionsOf(libc, socket);
  const wrong = keys.find((key) => read === undefined || !isAsSet(key, wish[key], read[key]));
  if (read && wrong === undefined) return { read };
  const what = read === undefined ? 'it could not be read back' : `${wrong} reads ${read[wrong as RetuneKey]} after it`;
  return { because: `${what}${putBack(libc, socket, present, done)}` };
}

function setOne(libc: Libc, socket: number, key: RetuneKey, wish: RetuneWish): void {
  const value = wish[key];
  if (value !== undefined) setSocketOption(libc, socket, key, value);
}

/** In reverse order. @returns what to say of it */
function putBack(libc: Libc, socket: number, before: SocketOptions, done: readonly RetuneKey[]): string {
  if (done.length === 0) return '';
  for (const key of [...done].reverse()) {
    try {
      setOne(libc, socket, key, before);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }
  const now = optionsOf(libc, socket);
  const left = now === undefined ? done : differingKeys(now, pickOptions(before, done));
  return left.length === 0
    ? '; what had been set was put back'
    : `; putting back what had been set failed (${left.join(', ')})`;
}
