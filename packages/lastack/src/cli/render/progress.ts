import type { Effects } from '../../effects.ts';

/** Above this many sockets a terminal shows how far it has come. */
const PROGRESS_FROM = 1000;

/** One line that is written over itself, and removed at the end. */
export function showProgress({ stderr }: Pick<Effects, 'stderr'>, done: number, total: number): void {
  if (total < PROGRESS_FROM || !stderr.isTerminal) return;
  stderr.write(`\r${done} of ${total} sockets`);
  if (done >= total) stderr.write('\r\u001b[K');
}
