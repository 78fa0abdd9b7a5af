import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import { makeDirectories } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../effects.ts';

type Place = Pick<Effects, 'env' | 'uid'>;

/**
 * Where lastack keeps what it must remember: `$XDG_STATE_HOME/lastack`, as root /var/lib/lastack, otherwise
 * ~/.local/state/lastack. Nothing is created. @throws UserError when there is no home
 */
export function stateDirectory({ env, uid }: Place): string {
  const { XDG_STATE_HOME, HOME } = env;
  // The XDG Base Directory Specification: a relative path is to be ignored.
  if (XDG_STATE_HOME && path.isAbsolute(XDG_STATE_HOME)) return path.join(XDG_STATE_HOME, 'lastack');
  if (uid === 0) return '/var/lib/lastack';
  if (HOME && path.isAbsolute(HOME)) return path.join(HOME, '.local/state/lastack');
  throw new UserError(
    'the state directory is not known: neither XDG_STATE_HOME nor HOME is set; set XDG_STATE_HOME',
    Exit.NOT_POSSIBLE,
  );
}

/** Creates the directory for its owner alone, durably. @throws a system error, or UserError when others own it */
export function makeStateDirectory(place: Place): string {
  const directory = stateDirectory(place);
  const made = makeDirectories(directory, 0o700);
  for (const each of made.reverse()) syncDirectory(path.dirname(each));
  checkOwner(directory, place.uid);
  return directory;
}

/** What is read back from here decides what is written into the kernel: nobody else may have written it. */
export function checkOwner(file: string, uid: number, status = statSync(file)): void {
  const others = (status.mode & 0o022) !== 0;
  if (status.uid === uid && !others) return;
  const why = others ? 'others may write to it' : `it belongs to user id ${status.uid}`;
  throw new UserError(
    `${file} cannot be trusted: ${why}; make it yours alone, or set XDG_STATE_HOME to another directory`,
    Exit.NOT_POSSIBLE,
  );
}

/** Makes new names in a directory survive a power cut. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
