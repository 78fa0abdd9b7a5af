import { KernelError } from '@lastack/kernel';
import type { Attempt } from '../remedy.ts';

const EPERM = 1;
const ENOENT = 2;
const EACCES = 13;

export function isRefusedPermission(error: KernelError): boolean {
  return error.errno === EPERM || error.errno === EACCES;
}

/** What a failure that is not the socket's own means for it: a namespace that cannot be entered, an interface missing. */
export function failedAttempt(error: unknown): Attempt {
  // Anything else is a fault of lastack and must not pass for an answer of the kernel.
  if (!(error instanceof KernelError)) throw error;
  if (isRefusedPermission(error)) {
    return { outcome: 'not-permitted', because: error.message, todo: error.todo ?? 'run as root' };
  }
  if (error.errno === ENOENT) return { outcome: 'already-gone', because: error.message };
  return { outcome: 'unsupported', because: error.message, todo: error.todo };
}
