/** Kernel state numbers (include/net/tcp_states.h). BOUND_INACTIVE exists only in sock_diag requests, since Linux 6.8. */
export const TcpState = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
  NEW_SYN_RECV: 12,
  BOUND_INACTIVE: 13,
} as const;

export type TcpState = (typeof TcpState)[keyof typeof TcpState];
export type StateName = keyof typeof TcpState;

const NAMES: readonly StateName[] = Object.entries(TcpState).reduce<StateName[]>((names, [name, number]) => {
  names[number] = name as StateName;
  return names;
}, []);

/** Name as lastack prints it (`CLOSE_WAIT`); an unknown number prints as `STATE_n`. */
export function stateName(state: number): string {
  return NAMES[state] ?? `STATE_${state}`;
}
