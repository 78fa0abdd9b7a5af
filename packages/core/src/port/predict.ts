import type { BindAddress, ReuseOptions } from './bind_request.ts';
import { holdsPort, isOverlapping, mayShare, type Occupant } from './conflict.ts';

export interface BindQuestion {
  at: BindAddress;
  options: ReuseOptions;
  port: number;
  /** Effective user who binds. */
  uid: number;
  /** Whether the address is one of this network namespace. Undefined: not known. */
  isLocal?: boolean;
  /** Whether ports below `ip_unprivileged_port_start` are allowed (CAP_NET_BIND_SERVICE). */
  mayBindLow: boolean;
  /** net.ipv4.ip_unprivileged_port_start */
  unprivilegedFrom?: number;
}

export interface BindPrediction<T> {
  /** `unknown`: options of some occupant decide, and they could not be read. */
  result: 'ok' | 'EADDRINUSE' | 'EACCES' | 'EADDRNOTAVAIL' | 'unknown';
  /** Those that refuse for certain. */
  blockers: T[];
  /** Those that may refuse. */
  doubtful: T[];
  /** Those at the same address that share the port with a socket of these options. */
  sharing: T[];
}

/** The first port that any user may bind, where it cannot be read. */
export const UNPRIVILEGED_FROM = 1024;

/**
 * What bind() would answer, from what is known of the sockets that have the port in this namespace. In the order of the
 * kernel's own checks: address, privilege, then the others. A trial on a real socket is the truth; this says why.
 */
export function predictBind<T extends Occupant>(question: BindQuestion, occupants: readonly T[]): BindPrediction<T> {
  const { at, options, port, uid, isLocal, mayBindLow, unprivilegedFrom = UNPRIVILEGED_FROM } = question;
  const prediction: BindPrediction<T> = { result: 'ok', blockers: [], doubtful: [], sharing: [] };
  if (isLocal === false) return { ...prediction, result: 'EADDRNOTAVAIL' };
  if (port < unprivilegedFrom && !mayBindLow) return { ...prediction, result: 'EACCES' };
  for (const occupant of occupants) {
    const overlapping = holdsPort(occupant) ? isOverlapping(at, occupant) : false;
    const sharing = mayShare(options, uid, occupant);
    if (overlapping === false) continue;
    if (sharing) prediction.sharing.push(occupant);
    else if (overlapping && sharing === false) prediction.blockers.push(occupant);
    else prediction.doubtful.push(occupant);
  }
  if (prediction.blockers.length > 0) prediction.result = 'EADDRINUSE';
  else if (prediction.doubtful.length > 0) prediction.result = 'unknown';
  return prediction;
}
