import { createCanvas, type Point } from './canvas.ts';
import { BOXES, DRAWN_EDGES, type DrawnEdge } from './diagram_layout.ts';
import type { StateName } from './states.ts';
import { TRANSITIONS, type Transition } from './transitions.ts';

/** Columns the drawing needs. */
export const DIAGRAM_WIDTH = 78;
const HEIGHT = 40;

export interface DiagramOptions {
  /** Drawn in a double frame. */
  mark?: StateName;
  /** `+--+` instead of box-drawing characters. */
  ascii?: boolean;
  /** Applied to every run of characters of the marked box (for colour); must not change what is visible. */
  emphasize?: (text: string) => string;
}

/** The box a state is marked in: Linux shows NEW_SYN_RECV as SYN_RECV, and a bound socket is one in CLOSE. */
export function boxOf(state: StateName): StateName {
  if (state === 'NEW_SYN_RECV') return 'SYN_RECV';
  return state === 'BOUND_INACTIVE' ? 'CLOSE' : state;
}

function transitionOf({ from, event, to }: DrawnEdge): Transition {
  const found = TRANSITIONS.find((edge) => edge.from === from && edge.event === event && edge.to === to);
  if (!found) throw new Error(`drawn but not in the table: ${from} ${event} ${to}`);
  return found;
}

/** The whole state machine as lines of text, at most DIAGRAM_WIDTH columns, without colour unless `emphasize` adds it. */
export function drawDiagram({ mark, ascii = false, emphasize }: DiagramOptions = {}): string[] {
  const canvas = createCanvas(DIAGRAM_WIDTH, HEIGHT, ascii);
  const markedBox = mark && boxOf(mark);
  for (const { state, x, y, width, height = 3 } of BOXES) {
    canvas.box({ x, y, width, height, label: state, marked: state === markedBox });
  }
  for (const edge of DRAWN_EDGES) {
    const { send } = transitionOf(edge);
    const write = ([x, y]: Point, text: string) =>
      canvas.text(edge.align === 'right' ? x - text.length + 1 : x, y, text);
    canvas.arrow(edge.way);
    write(edge.eventAt, edge.event);
    if (send && edge.sendAt) write(edge.sendAt, `send ${send}`);
    if (edge.extra) write(edge.extra.at, edge.extra.text);
  }
  return canvas.lines(emphasize);
}
