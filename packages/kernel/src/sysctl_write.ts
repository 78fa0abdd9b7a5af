import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { KernelError } from './errors.ts';
import { errorCode } from './procfs/errors.ts';
import type { Libc } from './sys/libc.ts';
import { LITTLE_ENDIAN } from './wire/netlink.ts';

/** A path below /proc/sys, of plain words only: names come from a journal file and must not lead elsewhere. */
const NAME = /^net(?:\/[a-z0-9_]+)+$/;
/** Numbers, as many as the setting has. */
const VALUE = /^-?\d+(?: -?\d+)*$/;

/**
 * One setting of the calling thread's network namespace, several numbers separated by one space.
 * @param name below /proc/sys: `net/ipv4/tcp_orphan_retries`
 * @throws KernelError when there is no such setting, or it may not be read
 */
export function readSysctl(procRoot: string, name: string): string {
  const operation = `reading ${dotted(name)}`;
  const path = pathOf(procRoot, name, operation);
  return attempt(operation, () => readFileSync(path, 'utf8').trim().replaceAll(/\s+/g, ' '));
}

/**
 * Writes one setting of the calling thread's network namespace, and reads it back.
 * @throws KernelError with what would allow it; EROFS where a container has /proc/sys read-only
 */
export function writeSysctl(procRoot: string, name: string, value: string): void {
  const operation = `setting ${dotted(name)} to ${value}`;
  const path = pathOf(procRoot, name, operation);
  if (!VALUE.test(value)) throw new KernelError(operation, osConstants.errno.EINVAL, { detail: 'not a number' });
  // Without O_CREAT and O_TRUNC: an absent setting must be an error, not a file in whatever stands for /proc.
  attempt(operation, () => writeFileSync(path, `${value}\n`, { flag: 'r+' }));
  const present = readSysctl(procRoot, name);
  if (present !== value) {
    throw new KernelError(operation, osConstants.errno.EINVAL, { detail: `the kernel made ${present} of it` });
  }
}

/** Opens the setting for writing and changes nothing. @throws KernelError as writeSysctl would */
export function checkSysctlWritable(procRoot: string, name: string): void {
  const operation = `setting ${dotted(name)}`;
  const path = pathOf(procRoot, name, operation);
  attempt(operation, () => closeSync(openSync(path, 'r+')));
}

/** `net.ipv4.tcp_orphan_retries`, as sysctl(8) writes it. */
export function dotted(name: string): string {
  return name.replaceAll('/', '.');
}

/** Whether this can be a network setting's name; every other one is refused. */
export function isSysctlName(name: string): boolean {
  return NAME.test(name);
}

function pathOf(procRoot: string, name: string, operation: string): string {
  if (!isSysctlName(name))
    throw new KernelError(operation, osConstants.errno.EINVAL, { detail: 'not a network setting' });
  return `${procRoot}/sys/${name}`;
}

function attempt<T>(operation: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const { errno = 0 } = error as NodeJS.ErrnoException;
    throw new KernelError(operation, Math.abs(errno), wordsFor(code));
  }
}

function wordsFor(code: string): { detail?: string; todo?: string } {
  switch (code) {
    case 'EROFS':
      return {
        detail: '/proc/sys is read-only here, as containers have it',
        todo: "run lastack on the host, where it enters the container's namespace by itself",
      };
    case 'EACCES':
    case 'EPERM':
      return { todo: 'run as root' };
    case 'ENOENT':
      return { detail: 'this kernel has no such setting' };
    default:
      return {};
  }
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;

/**
 * The number of the calling thread's network namespace that is never given out again until the next boot, unlike its
 * inode number. undefined before Linux 5.14.
 */
export function namespaceCookie(libc: Libc): bigint | undefined {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return undefined;
  try {
    const value = new Uint8Array(8);
    const length = new Uint8Array(new Uint32Array([8]).buffer);
    if (libc.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value, length) < 0) return undefined;
    return new DataView(value.buffer).getBigUint64(0, LITTLE_ENDIAN);
  } finally {
    libc.close(fd);
  }
}
