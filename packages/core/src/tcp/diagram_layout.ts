import type { Point } from './canvas.ts';
import type { StateName } from './states.ts';
import type { TransitionEvent } from './transitions.ts';

export interface Box {
  state: StateName;
  x: number;
  y: number;
  width: number;
  height?: number;
}

/** An edge of the drawing: which transition it is, its way over the paper, and where its words stand. */
export interface DrawnEdge {
  from: StateName;
  event: TransitionEvent;
  to: StateName;
  way: readonly Point[];
  /** Start of the event's name; `right` marks the end of it instead. */
  eventAt: Point;
  /** Start of `send …`, where the transition sends something. */
  sendAt?: Point;
  align?: 'right';
  extra?: { at: Point; text: string };
}

// CLOSE stands twice, as in the RFC's figure: where connections begin and where they end.
export const BOXES: readonly Box[] = [
  { state: 'CLOSE', x: 33, y: 0, width: 11, height: 5 },
  { state: 'LISTEN', x: 2, y: 6, width: 15 },
  { state: 'SYN_RECV', x: 2, y: 12, width: 15 },
  { state: 'SYN_SENT', x: 58, y: 12, width: 17 },
  { state: 'ESTABLISHED', x: 31, y: 16, width: 15 },
  { state: 'FIN_WAIT1', x: 2, y: 23, width: 15 },
  { state: 'CLOSING', x: 32, y: 23, width: 13 },
  { state: 'CLOSE_WAIT', x: 59, y: 23, width: 15 },
  { state: 'FIN_WAIT2', x: 2, y: 31, width: 15 },
  { state: 'TIME_WAIT', x: 32, y: 31, width: 13 },
  { state: 'LAST_ACK', x: 59, y: 31, width: 15 },
  { state: 'CLOSE', x: 33, y: 37, width: 11 },
];

export const DRAWN_EDGES: readonly DrawnEdge[] = [
  {
    from: 'CLOSE',
    event: 'passive open',
    to: 'LISTEN',
    way: [
      [33, 1],
      [6, 1],
      [6, 5],
    ],
    eventAt: [9, 0],
  },
  {
    from: 'LISTEN',
    event: 'close',
    to: 'CLOSE',
    way: [
      [12, 6],
      [12, 3],
      [32, 3],
    ],
    eventAt: [15, 4],
  },
  {
    from: 'CLOSE',
    event: 'active open',
    to: 'SYN_SENT',
    way: [
      [43, 1],
      [71, 1],
      [71, 11],
    ],
    eventAt: [52, 0],
    sendAt: [52, 2],
  },
  {
    from: 'SYN_SENT',
    event: 'close',
    to: 'CLOSE',
    way: [
      [62, 12],
      [62, 3],
      [44, 3],
    ],
    eventAt: [52, 4],
  },
  {
    from: 'LISTEN',
    event: 'recv SYN',
    to: 'SYN_RECV',
    way: [
      [9, 8],
      [9, 11],
    ],
    eventAt: [11, 9],
    sendAt: [11, 10],
  },
  {
    from: 'SYN_SENT',
    event: 'recv SYN',
    to: 'SYN_RECV',
    way: [
      [58, 13],
      [17, 13],
    ],
    eventAt: [33, 12],
    sendAt: [33, 14],
  },
  {
    from: 'SYN_RECV',
    event: 'recv ACK of SYN',
    to: 'ESTABLISHED',
    way: [
      [12, 14],
      [12, 17],
      [30, 17],
    ],
    eventAt: [14, 16],
  },
  {
    from: 'SYN_SENT',
    event: 'recv SYN,ACK',
    to: 'ESTABLISHED',
    way: [
      [66, 14],
      [66, 17],
      [46, 17],
    ],
    eventAt: [64, 15],
    sendAt: [64, 16],
    align: 'right',
  },
  {
    from: 'SYN_RECV',
    event: 'close',
    to: 'FIN_WAIT1',
    way: [
      [6, 14],
      [6, 22],
    ],
    eventAt: [8, 18],
    sendAt: [8, 19],
  },
  {
    from: 'ESTABLISHED',
    event: 'close',
    to: 'FIN_WAIT1',
    way: [
      [35, 18],
      [35, 20],
      [13, 20],
      [13, 22],
    ],
    eventAt: [20, 19],
    sendAt: [20, 21],
  },
  {
    from: 'ESTABLISHED',
    event: 'recv FIN',
    to: 'CLOSE_WAIT',
    way: [
      [41, 18],
      [41, 20],
      [66, 20],
      [66, 22],
    ],
    eventAt: [48, 19],
    sendAt: [48, 21],
  },
  {
    from: 'FIN_WAIT1',
    event: 'recv FIN',
    to: 'CLOSING',
    way: [
      [16, 24],
      [31, 24],
    ],
    eventAt: [20, 23],
    sendAt: [20, 25],
  },
  {
    from: 'FIN_WAIT1',
    event: 'recv FIN + ACK of FIN',
    to: 'TIME_WAIT',
    way: [
      [12, 25],
      [12, 28],
      [35, 28],
      [35, 30],
    ],
    eventAt: [14, 27],
    sendAt: [26, 29],
  },
  {
    from: 'FIN_WAIT1',
    event: 'recv ACK of FIN',
    to: 'FIN_WAIT2',
    way: [
      [6, 25],
      [6, 30],
    ],
    eventAt: [8, 29],
  },
  {
    from: 'CLOSING',
    event: 'recv ACK of FIN',
    to: 'TIME_WAIT',
    way: [
      [41, 25],
      [41, 30],
    ],
    eventAt: [43, 27],
  },
  {
    from: 'FIN_WAIT2',
    event: 'recv FIN',
    to: 'TIME_WAIT',
    way: [
      [16, 32],
      [31, 32],
    ],
    eventAt: [20, 31],
    sendAt: [20, 33],
  },
  {
    from: 'CLOSE_WAIT',
    event: 'close',
    to: 'LAST_ACK',
    way: [
      [66, 25],
      [66, 30],
    ],
    eventAt: [68, 27],
    sendAt: [68, 28],
  },
  {
    from: 'TIME_WAIT',
    event: 'timeout',
    to: 'CLOSE',
    way: [
      [38, 33],
      [38, 36],
    ],
    eventAt: [40, 34],
    extra: { at: [40, 35], text: '60 s' },
  },
  {
    from: 'LAST_ACK',
    event: 'recv ACK of FIN',
    to: 'CLOSE',
    way: [
      [66, 33],
      [66, 38],
      [44, 38],
    ],
    eventAt: [48, 37],
  },
];
