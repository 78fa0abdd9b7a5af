import type { StateName, TcpState } from './states.ts';
import { type Transition, transitionsFrom, transitionsTo } from './transitions.ts';
import { wrapText } from './wrap.ts';

/** States in the order of a connection's life. */
export const STATES_IN_ORDER: readonly StateName[] = [
  'CLOSE',
  'BOUND_INACTIVE',
  'LISTEN',
  'SYN_SENT',
  'NEW_SYN_RECV',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSING',
  'TIME_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
] satisfies readonly (keyof typeof TcpState)[];

function eventWords({ event, send }: Transition): string {
  return `${event}${send ? `, send ${send}` : ''}`;
}

/** Edges grouped by their other end: an arrow with its name, below it what leads there. */
function edgeLines(edges: readonly Transition[], end: 'from' | 'to', arrow: string, width: number): string[] {
  const ends = [...new Set(edges.map((edge) => edge[end]))];
  return ends.flatMap((other) => [
    `  ${arrow} ${other}`,
    ...edges
      .filter((edge) => edge[end] === other)
      .flatMap((edge) => wrapText(eventWords(edge), width, '         ', '     - ')),
  ]);
}

/** One state with its edges in and out as an indented list: the drawing for narrow terminals. */
export function listEdges(state: StateName, width: number, ascii = false): string[] {
  const [into, out] = ascii ? ['<-', '->'] : ['◀─', '─▶'];
  return [
    `${state} comes from`,
    ...edgeLines(transitionsTo(state), 'from', into, width),
    `${state} goes to`,
    ...edgeLines(transitionsFrom(state), 'to', out, width),
  ];
}

/** Every state with the edges that lead out of it. */
export function listAllEdges(width: number, ascii = false): string[] {
  return STATES_IN_ORDER.flatMap((state) => [
    state,
    ...edgeLines(transitionsFrom(state), 'to', ascii ? '->' : '─▶', width),
  ]);
}

/** What the drawing leaves out, one sentence each. */
export const BESIDE_THE_DIAGRAM: readonly string[] = [
  'A reset ends a connection in any state at once (TIME_WAIT only while tcp_rfc1337 is 0).',
  'The kernel gives up SYN_SENT, SYN_RECV, FIN_WAIT1, CLOSING and LAST_ACK when no answer comes; FIN_WAIT2 only when no program holds it; ESTABLISHED and CLOSE_WAIT only with unacknowledged data or keepalive.',
  'Linux adds BOUND_INACTIVE (bound to a port, neither listening nor connecting; a part of CLOSE) and NEW_SYN_RECV (how it keeps an incoming SYN_RECV).',
];
