import type { Refusal } from '@lastack/core';
import type { KernelError } from '@lastack/kernel';

/** No such setting or namespace, or a kernel that takes another value: nothing that a permission would change. */
const UNSUPPORTED_CODES: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'EBADMSG']);

export function refusalOfError({ code, message, todo }: KernelError): Refusal {
  return { outcome: UNSUPPORTED_CODES.has(code) ? 'unsupported' : 'not-permitted', because: message, todo };
}
