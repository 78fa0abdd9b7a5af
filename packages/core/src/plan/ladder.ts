import { TcpState } from '../tcp/states.ts';
import type { MeansId } from './means.ts';
import type { ClearTarget } from './target.ts';

/**
 * The means that can end a socket in this state, gentlest first. `close-gracefully` lets the connection end by FIN, as
 * the program would have; `destroy` and `abort` reset it at once; `reset` does so from outside, with packets. Means
 * that reach beyond the one socket (signals, restarts, sweeping, firewall rules) are never planned, only asked for.
 */
export function ladderOf({ state, kind }: Pick<ClearTarget, 'state' | 'kind'>): readonly MeansId[] {
  switch (state) {
    case TcpState.CLOSE_WAIT:
      return kind === 'unaccepted' ? ['destroy', 'reset'] : ['close-gracefully', 'destroy', 'abort', 'reset'];
    case TcpState.ESTABLISHED:
      return kind === 'unaccepted' ? ['destroy', 'reset'] : ['destroy', 'abort', 'reset'];
    case TcpState.FIN_WAIT1:
    case TcpState.FIN_WAIT2:
    case TcpState.CLOSING:
    case TcpState.LAST_ACK:
    case TcpState.SYN_SENT:
      return kind === 'full' ? ['destroy', 'abort', 'reset'] : ['destroy', 'reset'];
    case TcpState.TIME_WAIT:
      return ['destroy', 'reset'];
    case TcpState.SYN_RECV:
    case TcpState.NEW_SYN_RECV:
    case TcpState.LISTEN:
      return ['destroy'];
    default:
      // BOUND_INACTIVE has no connection: only its program can close it.
      return [];
  }
}
