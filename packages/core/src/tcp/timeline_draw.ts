import { type CloseStep, type CloseView, closeTimeline, type Fate } from './timeline.ts';

export interface TimelineOptions {
  /** Columns available; the drawing takes at least 36 and at most 68. */
  width?: number;
  ascii?: boolean;
  /** Applied to the row of the missing step (for colour); must not change what is visible. */
  emphasize?: (text: string) => string;
}

interface Glyphs {
  life: string;
  line: string;
  dots: string;
  right: string;
  left: string;
  lost: string;
  fromHere: string;
  fromThere: string;
}

const BOX: Glyphs = {
  life: '│',
  line: '─',
  dots: '┄',
  right: '▶',
  left: '◀',
  lost: '✗',
  fromHere: '├',
  fromThere: '┤',
};
const ASCII: Glyphs = {
  life: '|',
  line: '-',
  dots: '.',
  right: '>',
  left: '<',
  lost: 'x',
  fromHere: '+',
  fromThere: '+',
};

/** Room beside each lifeline for `close() ` and the like. */
const GUTTER = 9;

function centre(text: string, width: number, fill: string): string {
  const left = Math.floor((width - text.length) / 2);
  return fill.repeat(Math.max(0, left)) + text + fill.repeat(Math.max(0, width - text.length - left));
}

/** The stretch between the lifelines for a segment going right; going left is its mirror image. */
function arrowParts(fate: Fate, label: string, inner: number, g: Glyphs): { body: string; solid: boolean } {
  switch (fate) {
    case 'arrived':
      return { body: centre(` ${label} `, inner - 1, g.line) + g.right, solid: true };
    case 'lost':
      return { body: `${centre(` ${label} `, inner - 3, g.line)}${g.lost}  `, solid: true };
    case 'unsure':
      return { body: `${centre(` ${label} `, inner - 4, g.line)} ?  `, solid: true };
    default:
      return { body: centre(` ${label} `, inner - 1, g.dots) + g.right, solid: false };
  }
}

function segmentRow(step: CloseStep, inner: number, g: Glyphs): string {
  const { name, fate } = step.segment!;
  const label = `${name}${step.missing ? ' missing' : ''}${fate === 'unseen' && !step.missing ? ' ?' : ''}`;
  const { body, solid } = arrowParts(fate, label, inner, g);
  const goesRight = step.id === 'local FIN' || step.id === 'ACK of peer FIN';
  if (goesRight) return `${' '.repeat(GUTTER)}${solid ? g.fromHere : g.life}${body}${g.life}`;
  // Mirror the line, not the words in it.
  const mirrored = [...body]
    .reverse()
    .join('')
    .replace(g.right, g.left)
    .replace([...label].reverse().join(''), label);
  return `${' '.repeat(GUTTER)}${g.life}${mirrored}${solid ? g.fromThere : g.life}`;
}

function closeRow(step: CloseStep, inner: number, g: Glyphs): string | undefined {
  const gutter = ' '.repeat(GUTTER);
  const local = step.by === 'local';
  if (step.missing) {
    const words = local ? `${g.left} close() missing`.padEnd(inner) : `close() missing ${g.right}`.padStart(inner);
    return `${gutter}${g.life}${words}${g.life}`;
  }
  if (step.done === false) return undefined;
  const word = step.done === true ? 'close()' : 'close() ?';
  const middle = g.life + ' '.repeat(inner) + g.life;
  return local ? `${`${word} `.padStart(GUTTER)}${middle}` : `${gutter}${middle} ${word}`;
}

function heading(text: string, above: number): string {
  return ' '.repeat(Math.max(0, above - Math.floor(text.length / 2))) + text;
}

function headings(left: string, right: string, inner: number): string {
  const first = heading(left, GUTTER);
  return first + heading(right, GUTTER + 1 + inner - first.length);
}

/**
 * The close handshake in two columns, this end left and the peer right: a full arrow arrived, one that ends in ✗ has not
 * come, one that ends in ? cannot be followed, a dotted one has not been seen yet. Empty where no close
 * has begun.
 */
export function drawTimeline(
  view: CloseView,
  { width = 68, ascii = false, emphasize }: TimelineOptions = {},
): string[] {
  const steps = closeTimeline(view);
  if (steps.length === 0) return [];
  const g = ascii ? ASCII : BOX;
  const inner = Math.max(16, Math.min(width, 68) - 2 * GUTTER - 3);
  const peer = view.peerState === 'gone' ? 'no socket' : (view.peerState ?? 'not visible');
  const rows = [
    headings('here', 'peer', inner),
    headings(view.state, peer, inner),
    `${' '.repeat(GUTTER)}${g.life}${' '.repeat(inner)}${g.life}`,
  ];
  for (const step of steps) {
    const row = step.segment ? segmentRow(step, inner, g) : closeRow(step, inner, g);
    if (row !== undefined) rows.push(step.missing && emphasize ? emphasize(row.trimEnd()) : row.trimEnd());
  }
  return rows;
}
