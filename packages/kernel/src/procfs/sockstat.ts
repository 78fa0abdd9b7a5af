import type { Settings } from '@lastack/core';
import { parseNumber, readText } from './text.ts';

/** Lines `TCP: inuse 5 orphan 0 …` as `TCP.inuse` → 5. */
export function parseSockstat(text: string): Settings {
  const values: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [label, ...words] = line.trim().split(/\s+/);
    if (!label.endsWith(':')) continue;
    for (let index = 0; index + 1 < words.length; index += 2) {
      const value = parseNumber(words[index + 1]);
      if (value !== undefined) values[`${label.slice(0, -1)}.${words[index]}`] = value;
    }
  }
  return values;
}

/**
 * Socket counts of the calling thread's namespace, with `TCP6.inuse` where IPv6 is on. `TCP.orphan`, `TCP.alloc` and
 * `TCP.mem` (pages) are the kernel's, whatever the namespace. Empty when the file is absent.
 */
export function readSockstat({ procRoot }: { procRoot: string }): Settings {
  const net = `${procRoot}/thread-self/net`;
  return parseSockstat(`${readText(`${net}/sockstat`) ?? ''}\n${readText(`${net}/sockstat6`) ?? ''}`);
}
