import { describe, expect, it } from 'vitest';
import { boxOf, DIAGRAM_WIDTH, drawDiagram } from './diagram.ts';
import { DRAWN_EDGES } from './diagram_layout.ts';
import { listAllEdges, listEdges, STATES_IN_ORDER } from './diagram_list.ts';
import { TcpState } from './states.ts';
import { TRANSITIONS, transitionsFrom, transitionsTo } from './transitions.ts';

type Grid = string[][];
const gridOf = (lines: string[]): Grid => lines.map((line) => [...line.padEnd(DIAGRAM_WIDTH)]);

const HEADS: Record<string, [number, number]> = { '▼': [0, 1], '▲': [0, -1], '▶': [1, 0], '◀': [-1, 0] };
/** Directions each line character joins, as [dx, dy]. */
const N = [0, -1];
const E = [1, 0];
const S = [0, 1];
const W = [-1, 0];
const JOINS: Record<string, number[][]> = {
  '│': [N, S],
  '─': [E, W],
  '┌': [E, S],
  '┐': [S, W],
  '└': [N, E],
  '┘': [N, W],
};

/** The state named in the box whose border is at (x, y): the nearest name within the frame, looked up by eye. */
function stateNear(grid: Grid, x: number, y: number): string | undefined {
  for (const dy of [0, 1, -1, 2, -2, 3, -3]) {
    const row = grid[y + dy]?.join('');
    if (!row) continue;
    for (const match of row.matchAll(/[A-Z][A-Z_]{3,}[12]?/g)) {
      const inBox =
        /[│├┤] *$/.test(row.slice(0, match.index)) && /^ *[│├┤]/.test(row.slice(match.index + match[0].length));
      if (inBox && x >= match.index - 8 && x <= match.index + match[0].length + 8) return match[0];
    }
  }
  return undefined;
}

/** Reads the arrows back from the finished picture: from each head along the line to the box where it began. */
function readArrows(lines: string[]): string[] {
  const grid = gridOf(lines);
  const found: string[] = [];
  grid.forEach((row, y) => {
    row.forEach((char, x) => {
      const head = HEADS[char];
      if (!head) return;
      const to = stateNear(grid, x + head[0], y + head[1]);
      let at = [x - head[0], y - head[1]];
      let came = head;
      for (let steps = 0; steps < 200; steps++) {
        const joins = JOINS[grid[at[1]][at[0]]];
        if (!joins) break;
        const next = joins.find(([dx, dy]) => dx !== came[0] || dy !== came[1])!;
        came = [-next[0], -next[1]] as [number, number];
        at = [at[0] + next[0], at[1] + next[1]];
      }
      found.push(`${stateNear(grid, at[0], at[1])} -> ${to}`);
    });
  });
  return found.sort();
}

describe('the diagram', () => {
  const mainEdges = TRANSITIONS.filter((edge) => edge.where === 'both');

  it('draws exactly the edges of the RFC that Linux has', () => {
    const key = ({ from, event, to }: { from: string; event: string; to: string }) => `${from} ${event} ${to}`;
    expect(DRAWN_EDGES.map(key).sort()).toEqual(mainEdges.map(key).sort());
  });

  it('shows them in the finished picture: arrows traced back from their heads', () => {
    expect(readArrows(drawDiagram())).toEqual(mainEdges.map(({ from, to }) => `${from} -> ${to}`).sort());
  });

  it('keeps to its width, also in ASCII, and uses only ASCII there', () => {
    for (const mark of [undefined, ...STATES_IN_ORDER]) {
      for (const line of [...drawDiagram({ mark }), ...drawDiagram({ mark, ascii: true })]) {
        expect([...line].length).toBeLessThanOrEqual(DIAGRAM_WIDTH);
        expect(line).toBe(line.trimEnd());
      }
      expect(drawDiagram({ mark, ascii: true }).join('')).toMatch(/^[ -~]*$/);
    }
  });

  it.each(STATES_IN_ORDER)('marks %s, and nothing else', (mark) => {
    const text = drawDiagram({ mark }).join('\n');
    const boxes = boxOf(mark) === 'CLOSE' ? 2 : 1;
    expect(text.match(/╔/g)).toHaveLength(boxes);
    expect(text).toMatch(new RegExp(`[║╢] *${boxOf(mark)} *[║╟]`));
    expect(drawDiagram().join('')).not.toMatch(/[╔║]/);
  });

  it('emphasizes without changing what is visible', () => {
    const mark = 'FIN_WAIT1';
    const coloured = drawDiagram({ mark, emphasize: (text) => `\u001b[1m${text}\u001b[0m` }).join('\n');
    expect(coloured).toContain('\u001b[1mFIN_WAIT1\u001b[0m');
    expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(drawDiagram({ mark }).join('\n'));
  });

  it('is the picture it was', () => {
    expect(drawDiagram({ mark: 'CLOSE_WAIT' }).join('\n')).toMatchSnapshot();
    expect(drawDiagram({ mark: 'TIME_WAIT', ascii: true }).join('\n')).toMatchSnapshot();
  });
});

describe('the list of edges', () => {
  it('knows every state', () => {
    expect([...STATES_IN_ORDER].sort()).toEqual(Object.keys(TcpState).sort());
  });

  it.each(STATES_IN_ORDER)('%s: has every edge in and out, within 40 columns', (state) => {
    const lines = listEdges(state, 40);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(40);
    const events = lines.filter((line) => line.startsWith('     - '));
    expect(events).toHaveLength(transitionsTo(state).length + transitionsFrom(state).length);
    for (const { from } of transitionsTo(state)) expect(lines).toContain(`  ◀─ ${from}`);
    for (const { to } of transitionsFrom(state)) expect(lines).toContain(`  ─▶ ${to}`);
  });

  it('lists the whole machine', () => {
    const lines = listAllEdges(40, true);
    expect(lines.filter((line) => line.startsWith('     - '))).toHaveLength(
      TRANSITIONS.filter((edge) => edge.where !== 'rfc').length,
    );
    expect(lines.join('')).toMatch(/^[ -~]*$/);
  });
});
