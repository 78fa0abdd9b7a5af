import type { JournalContent, JournalEntry, JournalPhase } from './journal.ts';

const NEWLINE = 0x0a;
const PHASES: ReadonlySet<string> = new Set<JournalPhase>(['begin', 'end', 'undone', 'note']);
/** `id` is written first, so that even a line that was cut off tells which number it has used up. */
const ID = /^\{"id":(\d{1,15})[,}]/;

/** One line, with its newline; `id` first. */
export function formatLine({ id, at, boot, pid, started, phase, of, action, summary, data }: JournalEntry): string {
  return `${JSON.stringify({ id, at, boot, pid, started, phase, of, action, summary, data })}\n`;
}

/** Reads all lines. One that is not an entry is counted and passed over. */
export function parseLines(bytes: Uint8Array): JournalContent {
  const entries: JournalEntry[] = [];
  let damagedLines = 0;
  forEachLine(bytes, (line) => {
    const entry = parseEntry(line);
    if (entry) entries.push(entry);
    else damagedLines++;
  });
  return { entries, damagedLines };
}

/** The highest number that any line has used, damaged ones included; undefined when none can be made out. */
export function highestId(bytes: Uint8Array): number | undefined {
  let highest: number | undefined;
  forEachLine(bytes, (line) => {
    const id = Number(ID.exec(line)?.[1] ?? Number.NaN);
    if (id > (highest ?? 0)) highest = id;
  });
  return highest;
}

function forEachLine(bytes: Uint8Array, visit: (line: string) => void): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < buffer.length; ) {
    const newline = buffer.indexOf(NEWLINE, at);
    const end = newline < 0 ? buffer.length : newline;
    if (end > at) visit(buffer.toString('utf8', at, end));
    at = end + 1;
  }
}

function parseEntry(line: string): JournalEntry | undefined {
  let value: Partial<Record<keyof JournalEntry, unknown>>;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return typeof value === 'object' && value !== null && isEntry(value) ? value : undefined;
}

function isEntry(value: Partial<Record<keyof JournalEntry, unknown>>): value is JournalEntry {
  const { id, at, boot, pid, started, phase, of, action, summary } = value;
  return (
    Number.isSafeInteger(id) &&
    typeof at === 'string' &&
    typeof boot === 'string' &&
    Number.isSafeInteger(pid) &&
    (started === undefined || Number.isSafeInteger(started)) &&
    typeof phase === 'string' &&
    PHASES.has(phase) &&
    (of === undefined || Number.isSafeInteger(of)) &&
    typeof action === 'string' &&
    typeof summary === 'string'
  );
}
