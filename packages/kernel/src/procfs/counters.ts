import { parseNumber, readText } from './text.ts';

/** Pairs of lines, `TcpExt: NAME …` then `TcpExt: VALUE …`, as `TcpExt.NAME` → value. Unpaired lines are skipped. */
export function parseCounters(text: string): Map<string, number> {
  const counters = new Map<string, number>();
  const lines = text.split('\n');
  for (let index = 0; index + 1 < lines.length; index++) {
    const [label, ...names] = lines[index].split(' ');
    const [valueLabel, ...values] = lines[index + 1].split(' ');
    if (!label.endsWith(':') || label !== valueLabel) continue;
    names.forEach((name, column) => {
      const value = parseNumber(values[column]);
      if (value !== undefined) counters.set(`${label.slice(0, -1)}.${name}`, value);
    });
    index++;
  }
  return counters;
}

/**
 * Cumulative counters of the calling thread's namespace: `Tcp.RetransSegs`, `TcpExt.ListenOverflows`, `Ip.…`, `IpExt.…`.
 * Empty when the files are absent.
 */
export function readCounters({ procRoot }: { procRoot: string }): Map<string, number> {
  const net = `${procRoot}/thread-self/net`;
  const counters = parseCounters(readText(`${net}/snmp`) ?? '');
  for (const [name, value] of parseCounters(readText(`${net}/netstat`) ?? '')) counters.set(name, value);
  return counters;
}
