import { type StateName, TcpState } from './states.ts';

/** One line to stand under a state's name: its number in the kernel, and where it differs from what tools show. */
export function stateFacts(state: StateName): string {
  const number = `State ${TcpState[state]} of the Linux kernel`;
  if (state === 'NEW_SYN_RECV') return `${number}; tools show it as SYN_RECV (3).`;
  if (state === 'BOUND_INACTIVE') return `${number}, only in requests to sock_diag since 6.8; replies say CLOSE (7).`;
  return `${number}.`;
}
