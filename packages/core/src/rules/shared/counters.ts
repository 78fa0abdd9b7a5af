import { formatDuration } from '../../duration.ts';
import type { Evidence } from '../../finding.ts';
import type { NamespaceSnapshot } from '../../snapshot.ts';
import { thousands } from './words.ts';

/** How much a counter rose between the two reads; undefined when it was not read twice. */
export function counterRise({ counters }: NamespaceSnapshot, name: string): number | undefined {
  const first = counters?.first.get(name);
  const second = counters?.second.get(name);
  return first === undefined || second === undefined ? undefined : second - first;
}

/** The counter's value since boot and its rise while lastack looked. */
export function counterEvidence(namespace: NamespaceSnapshot, name: string, fact: string): Evidence[] {
  const rise = counterRise(namespace, name);
  if (rise === undefined || !namespace.counters) return [];
  const total = namespace.counters.second.get(name) ?? 0;
  const during = formatDuration(namespace.counters.elapsedMs);
  const value = `+${thousands(rise)} in ${during} (${thousands(total)} since this namespace began)`;
  return [{ fact, value, source: `/proc/net/netstat ${name}` }];
}
