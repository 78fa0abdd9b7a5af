/** The `code` of a Node system error (`ENOENT`), undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : undefined;
}

/** What /proc answers when a process, thread or descriptor ended between two reads: normal, never worth a word. */
export function isGone(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ESRCH';
}

export function isForbidden(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'EACCES' || code === 'EPERM';
}

/** One short phrase for a report: `permission denied`, or the code itself. */
export function reasonOf(error: unknown): string {
  if (isForbidden(error)) return 'permission denied';
  return errorCode(error) ?? String(error);
}
