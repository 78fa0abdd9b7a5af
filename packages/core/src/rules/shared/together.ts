import { formatDuration } from '../../duration.ts';
import type { NamespaceSnapshot } from '../../snapshot.ts';
import type { PathVerdict, Stalled } from './path_blame.ts';
import { TOGETHER_ADDRESSES, TOGETHER_WINDOW_MS } from './thresholds.ts';
import { thousands } from './words.ts';

interface Silence {
  address: string;
  silentMs: number;
}

/**
 * Many different addresses that fell silent at one time share the way there, not a fault: the verdict for those,
 * by address. Addresses that stalled at different times prove nothing together (a busy server always has dead clients),
 * so the ones that did must also be at least half of all.
 */
export function stalledTogether(
  namespace: NamespaceSnapshot,
  byAddress: ReadonlyMap<string, Stalled>,
): ReadonlyMap<string, PathVerdict> {
  const verdicts = new Map<string, PathVerdict>();
  for (const [way, silences] of byWay(namespace, byAddress)) {
    const cluster = largestCluster(silences);
    if (cluster.length < TOGETHER_ADDRESSES || cluster.length * 2 < silences.length) continue;
    const spreadMs = cluster[cluster.length - 1].silentMs - cluster[0].silentMs;
    const verdict: PathVerdict = {
      id: `together:${way}`,
      blame: 'path',
      because: `${thousands(cluster.length)} different addresses fell silent together, so the fault is on the way they share, more likely near this end.`,
      evidence: [
        {
          fact: `addresses that fell silent within ${formatDuration(Math.max(spreadMs, 1))} of each other${way === '' ? '' : ` ${way}`}`,
          value: thousands(cluster.length),
          source: 'TCP_INFO tcpi_last_ack_recv',
        },
      ],
    };
    for (const { address } of cluster) verdicts.set(address, verdict);
  }
  return verdicts;
}

function byWay(namespace: NamespaceSnapshot, byAddress: ReadonlyMap<string, Stalled>): Map<string, Silence[]> {
  const ways = new Map<string, Silence[]>();
  for (const [address, { row, silentMs }] of byAddress) {
    if (silentMs === undefined) continue;
    const path = namespace.paths.get(namespace.table.remoteAddress(row));
    const way = path?.gateway ? `through gateway ${path.gateway}` : path?.device ? `through ${path.device}` : '';
    const silences = ways.get(way);
    if (silences) silences.push({ address, silentMs });
    else ways.set(way, [{ address, silentMs }]);
  }
  return ways;
}

/** The most addresses whose silences began within one window, shortest silence first. */
function largestCluster(silences: readonly Silence[]): readonly Silence[] {
  const sorted = [...silences].sort((left, right) => left.silentMs - right.silentMs);
  let best: readonly Silence[] = [];
  let start = 0;
  for (let end = 0; end < sorted.length; end++) {
    while (sorted[end].silentMs - sorted[start].silentMs > TOGETHER_WINDOW_MS) start++;
    if (end - start + 1 > best.length) best = sorted.slice(start, end + 1);
  }
  return best;
}
