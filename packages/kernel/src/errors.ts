import { getSystemErrorMap } from 'node:util';

/**
 * One operation that the kernel refused or answered badly.
 * `message` reads "what was tried: why it failed"; `todo` is what the user can do, where that is known.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly operation: string;
  /** Positive errno; 0 when the reply itself was unusable (truncated, malformed). */
  readonly errno: number;
  /** `EPERM`, `ENOENT`, …; `EBADMSG` for unusable replies. */
  readonly code: string;
  readonly todo: string | undefined;

  constructor(operation: string, errno: number, options: { detail?: string; todo?: string } = {}) {
    const [code, text] = describeErrno(errno);
    super(`${operation}: ${options.detail ?? text} (${code})`);
    this.operation = operation;
    this.errno = errno;
    this.code = code;
    this.todo = options.todo;
  }
}

function describeErrno(errno: number): readonly [code: string, text: string] {
  if (errno === 0) return ['EBADMSG', 'the reply could not be read'];
  const known = getSystemErrorMap().get(-errno);
  return known ? [known[0], known[1]] : [`errno ${errno}`, 'unknown error'];
}
