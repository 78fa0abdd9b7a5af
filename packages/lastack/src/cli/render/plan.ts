import { type ClearTarget, type PlannedStep, stateName } from '@lastack/core';
import type { Guarded, OutcomeResultJson } from '../../report/outcome_json.ts';
import { printable } from './printable.ts';
import { ownerText } from './socket_lines.ts';

/** A plan longer than this shows its beginning, and the rest as counts. */
const MOST_LINES = 40;

/** The plan as text: one block per socket, then what is left alone and why. */
export function renderPlan(steps: readonly PlannedStep[], guarded: readonly Guarded[]): string {
  const lines: string[] = [];
  for (const step of steps.slice(0, MOST_LINES)) lines.push(...stepLines(step));
  if (steps.length > MOST_LINES) lines.push(`… and ${steps.length - MOST_LINES} more`);
  lines.push(...summaryLines(steps));
  for (const [because, count] of countBy(guarded.map((one) => one.because))) {
    lines.push(`left alone: ${count} ${count === 1 ? 'socket' : 'sockets'}: ${because}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function stepLines({ target, means, preview, refusal }: PlannedStep): string[] {
  const head = `${connectionText(target)}  ${stateName(target.state)}${target.rule ? `  (${target.rule})` : ''}`;
  if (!means || !preview) {
    const todo = refusal?.todo ? `; ${refusal.todo}` : '';
    return [head, `    cannot be cleared: ${refusal?.because ?? 'no means'}${todo}`];
  }
  const facts = [`peer sees ${preview.peerSees}`];
  if (preview.programSees) facts.push(`${holderText(target)} sees ${preview.programSees}`);
  facts.push(preview.lostBytes > 0 ? `${preview.lostBytes} bytes are lost` : 'nothing is lost');
  if (preview.remains) facts.push(`remains: ${preview.remains}`);
  return [head, `    ${means}: ${facts.join('; ')}`];
}

function summaryLines(steps: readonly PlannedStep[]): string[] {
  const byMeans = countBy(steps.map(({ means }) => means ?? 'no means'));
  const lost = steps.reduce((sum, { preview }) => sum + (preview?.lostBytes ?? 0), 0);
  const parts = [...byMeans].map(([means, count]) => `${count} by ${means}`);
  const sockets = `${steps.length} ${steps.length === 1 ? 'socket' : 'sockets'}`;
  return steps.length === 0 ? [] : [`plan: ${sockets}: ${parts.join(', ')}; ${lost} bytes not yet delivered are lost`];
}

/** What was done: the counts, and every socket that is not gone with the reason. One pass: results are made as they go. */
export function renderOutcome(results: Iterable<OutcomeResultJson>): string {
  const counts: Record<string, number> = {};
  const left: string[] = [];
  const remaining = new Map<string, number>();
  let lost = 0;
  for (const result of results) {
    const { outcome, remains } = result;
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (outcome === 'cleared') lost += result.lostBytes;
    if (remains !== undefined && (outcome === 'cleared' || outcome === 'still-stuck')) count(remaining, remains);
    if (isLeft(outcome) && left.length < MOST_LINES) left.push(leftLine(result));
  }
  const summary = Object.entries(counts).map(([outcome, number]) => `${number} ${outcome}`);
  return [
    ...left,
    ...[...remaining].map(([remains, number]) => `remains (${number}): ${remains}`),
    `${summary.join(', ') || 'nothing to do'}${lost > 0 ? `; ${lost} bytes lost` : ''}`,
  ]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

function isLeft(outcome: OutcomeResultJson['outcome']): boolean {
  return outcome !== 'cleared' && outcome !== 'already-gone' && outcome !== 'guarded';
}

function leftLine({ socket, outcome, because, todo }: OutcomeResultJson): string {
  const reason = [because, todo].filter(Boolean).join('; ');
  const place = `${endpointText(socket.local)} → ${endpointText(socket.remote)}`;
  return `${outcome}: ${place} ${socket.state}${reason ? `: ${reason}` : ''}`;
}

function connectionText({ local, remote }: ClearTarget): string {
  return `${endpointText(local)} → ${endpointText(remote)}`;
}

function endpointText({ address, port }: { address: string; port: number }): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port === 0 ? '*' : port}`;
}

function holderText({ owners }: ClearTarget): string {
  return owners.length === 0 ? 'its program' : ownerText(owners);
}

function countBy(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) count(counts, value);
  return counts;
}

function count(counts: Map<string, number>, value: string): void {
  counts.set(value, (counts.get(value) ?? 0) + 1);
}
