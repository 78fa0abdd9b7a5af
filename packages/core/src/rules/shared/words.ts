import { endpointText, plainAddress } from '../../address.ts';
import { formatDuration } from '../../duration.ts';
import type { Row, SocketTable } from '../../snapshot.ts';

/** `9412` → `9,412`. */
export function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `counted(1, 'connection')` → `1 connection`; `counted(2, …)` → `2 connections`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${thousands(value)} ${value === 1 ? one : many}`;
}

/** `10.0.0.1:80 → 10.0.0.2:4000`, this end first. */
export function connection(table: SocketTable, row: Row): string {
  const local = endpointText(plainAddress(table.localAddress(row)), table.localPort(row));
  return `${local} → ${endpointText(plainAddress(table.remoteAddress(row)), table.remotePort(row))}`;
}

export interface Range {
  min: number;
  max: number;
}

/** Smallest and largest of what `read` gives; undefined when it gives nothing for any row. */
export function rangeOf(rows: readonly Row[], read: (row: Row) => number | undefined): Range | undefined {
  let range: Range | undefined;
  for (const row of rows) {
    const value = read(row);
    if (value === undefined) continue;
    if (!range) range = { min: value, max: value };
    else if (value < range.min) range.min = value;
    else if (value > range.max) range.max = value;
  }
  return range;
}

export function formatRange(range: Range, format: (value: number) => string = thousands): string {
  const [min, max] = [format(range.min), format(range.max)];
  return min === max ? min : `${min} to ${max}`;
}

export function formatDurationRange(range: Range): string {
  return formatRange(range, formatDuration);
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listed(items: readonly string[], shown = 3): string {
  if (items.length > shown) return `${items.slice(0, shown).join(', ')} and ${thousands(items.length - shown)} more`;
  if (items.length < 2) return items[0] ?? '';
  return `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`;
}
