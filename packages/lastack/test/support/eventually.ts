import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';

const LOOK_EVERY_MS = 50;
const LIMIT_MS = 20_000;

/** Waits until `read` gives what is wanted. Unlike expect.poll it may be used where tests run side by side. */
export async function eventually<T>(read: () => Promise<T>, isWanted: (value: T) => boolean): Promise<T> {
  const until = Date.now() + LIMIT_MS;
  for (;;) {
    const value = await read();
    if (isWanted(value)) return value;
    if (Date.now() > until) expect.fail(`still ${JSON.stringify(value)} after ${LIMIT_MS} ms`);
    await sleep(LOOK_EVERY_MS);
  }
}
