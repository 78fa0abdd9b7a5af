/** A point of a drawing: column from the left, row from the top, both from 0. */
export type Point = readonly [x: number, y: number];

/** Directions a line leaves a cell in; lines that meet in a cell add up to a corner, a tee or a cross. */
const NORTH = 1;
const EAST = 2;
const SOUTH = 4;
const WEST = 8;

//                      . N E NE S NS ES NES W WN EW NEW SW NSW ESW all
const LIGHT = [...' │─└││┌├─┘─┴┐┤┬┼'];
const PLAIN = [...' |-+||++-+-+++++'];
const HEADS: Readonly<Record<number, readonly [string, string]>> = {
  [NORTH]: ['▲', '^'],
  [EAST]: ['▶', '>'],
  [SOUTH]: ['▼', 'v'],
  [WEST]: ['◀', '<'],
};

/** Where an edge meets the border of a marked (double) box; by the direction it leaves in. */
const MARKED_TEES: Readonly<Record<number, string>> = { [NORTH]: '╧', [EAST]: '╟', [SOUTH]: '╤', [WEST]: '╢' };

export interface BoxSpec {
  x: number;
  y: number;
  width: number;
  height: number;
  label: string;
  marked: boolean;
}

export interface Canvas {
  box(spec: BoxSpec): void;
  /** A line over these corner points with an arrow head in the last one; it may start on the border of a box. */
  arrow(points: readonly Point[]): void;
  text(x: number, y: number, text: string): void;
  /** Rows without trailing blanks. `emphasize` gets each run of a marked box's text and border. */
  lines(emphasize?: (text: string) => string): string[];
}

function direction([fromX, fromY]: Point, [toX, toY]: Point): number {
  if (fromX === toX) return toY > fromY ? SOUTH : NORTH;
  return toX > fromX ? EAST : WEST;
}

const OPPOSITE: Readonly<Record<number, number>> = { [NORTH]: SOUTH, [SOUTH]: NORTH, [EAST]: WEST, [WEST]: EAST };

/** A character grid on which boxes and arrows are drawn in box-drawing characters, or plain ASCII. */
export function createCanvas(width: number, height: number, ascii: boolean): Canvas {
  const bits = new Uint8Array(width * height);
  const chars: (string | undefined)[] = Array(width * height).fill(undefined);
  const marked = new Uint8Array(width * height);
  const at = (x: number, y: number) => y * width + x;

  function put(x: number, y: number, char: string, isMarked = false): void {
    chars[at(x, y)] = char;
    if (isMarked) marked[at(x, y)] = 1;
  }

  function box({ x, y, width: w, height: h, label, marked: isMarked }: BoxSpec): void {
    const right = x + w - 1;
    const bottom = y + h - 1;
    if (isMarked) {
      const [across, down, corners] = ascii ? ['#', '#', '####'] : ['═', '║', '╔╗╚╝'];
      for (let column = x; column <= right; column++) for (const row of [y, bottom]) put(column, row, across, true);
      for (let row = y; row <= bottom; row++) for (const column of [x, right]) put(column, row, down, true);
      [x, right].forEach((column, i) => {
        put(column, y, corners[i], true);
        put(column, bottom, corners[i + 2], true);
      });
    } else {
      line([x, y], [right, y]);
      line([right, y], [right, bottom]);
      line([right, bottom], [x, bottom]);
      line([x, bottom], [x, y]);
    }
    const start = x + Math.floor((w - label.length) / 2);
    for (let i = 0; i < label.length; i++) put(start + i, y + Math.floor((h - 1) / 2), label[i], isMarked);
  }

  function line(from: Point, to: Point): void {
    const heading = direction(from, to);
    const stepX = Math.sign(to[0] - from[0]);
    const stepY = Math.sign(to[1] - from[1]);
    let [x, y] = from;
    while (x !== to[0] || y !== to[1]) {
      bits[at(x, y)] |= heading;
      x += stepX;
      y += stepY;
      bits[at(x, y)] |= OPPOSITE[heading];
    }
  }

  function arrow(points: readonly Point[]): void {
    const [start] = points;
    if (marked[at(...start)] && !ascii) put(...start, MARKED_TEES[direction(start, points[1])], true);
    for (let i = 1; i < points.length; i++) line(points[i - 1], points[i]);
    const end = points[points.length - 1];
    put(...end, HEADS[direction(points[points.length - 2], end)][ascii ? 1 : 0]);
  }

  function text(x: number, y: number, content: string): void {
    [...content].forEach((char, i) => {
      put(x + i, y, char);
    });
  }

  function lines(emphasize: (text: string) => string = (same) => same): string[] {
    return Array.from({ length: height }, (_, y) => {
      const cells = Array.from({ length: width }, (_, x) => ({
        char: chars[at(x, y)] ?? (ascii ? PLAIN : LIGHT)[bits[at(x, y)]],
        mark: marked[at(x, y)] === 1,
      }));
      while (cells.at(-1)?.char === ' ') cells.pop();
      let row = '';
      for (let x = 0; x < cells.length; ) {
        let end = x;
        while (end < cells.length && cells[end].mark === cells[x].mark) end++;
        const run = cells
          .slice(x, end)
          .map((cell) => cell.char)
          .join('');
        row += cells[x].mark ? emphasize(run) : run;
        x = end;
      }
      return row;
    });
  }

  return { box, arrow, text, lines };
}
