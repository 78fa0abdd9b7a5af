import { endpointText, plainAddress } from '../address.ts';
import { listed, thousands } from '../rules/shared/words.ts';
import { stateName, TcpState } from '../tcp/states.ts';
import { type BindSet, OPTIONS_OF } from './bind_request.ts';
import type { PortHolder } from './holders.ts';
import { type BindPrediction, UNPRIVILEGED_FROM } from './predict.ts';

export interface BindOutcome {
  set: BindSet;
  /** `ok` or the name of the errno, as the kernel answered. */
  result: string;
  prediction: BindPrediction<PortHolder>;
  port: number;
  uid: number;
  unprivilegedFrom?: number;
}

/** The state as `lastack ls` shows it: `BOUND` rather than the name that only requests use. */
export function portStateText(state: number): string {
  return state === TcpState.BOUND_INACTIVE ? 'BOUND' : stateName(state);
}

/** `LISTEN 0.0.0.0:80 of nginx (pid 12)`, `3 × TIME_WAIT 10.0.0.1:80`. */
export function holderText({ rows, state, localAddress, namespace, holder, kind }: PortHolder): string {
  const [row] = rows;
  const at = endpointText(plainAddress(localAddress), namespace.table.localPort(row));
  const count = rows.length === 1 ? '' : `${thousands(rows.length)} × `;
  const whose = kind === 'minisocket' || kind === 'request' ? '' : ` of ${holder.label}`;
  return `${count}${portStateText(state)} ${at}${whose}`;
}

/** One sentence on why the kernel answered so. The result is the kernel's; the reason is ours, from what is visible. */
export function explainBind(outcome: BindOutcome): string {
  switch (outcome.result) {
    case 'ok':
      return explainSuccess(outcome);
    case 'EADDRINUSE':
      return explainConflict(outcome);
    case 'EACCES':
    case 'EPERM':
      return explainRefusal(outcome);
    case 'EADDRNOTAVAIL':
      return 'the address is not one of this network namespace';
    case 'EINVAL':
      return 'a link-local address needs its interface, as in fe80::1%eth0';
    case 'EAFNOSUPPORT':
    case 'EPROTONOSUPPORT':
      return 'this address family is not available here';
    default:
      return `bind failed with ${outcome.result}`;
  }
}

function explainSuccess({ prediction: { sharing, doubtful, blockers } }: BindOutcome): string {
  const beside = [...sharing, ...doubtful, ...blockers];
  if (beside.length === 0) return 'no socket here has the port at this address';
  const race = beside.some(({ state }) => state === TcpState.BOUND_INACTIVE)
    ? '; of several that are bound only the first to listen succeeds'
    : '';
  return `shares the port with ${listed(beside.map(holderText))}: both sides set the option${race}`;
}

/** The first that refuses is reason enough: there may be many. */
function explainConflict({ set, prediction: { blockers, doubtful }, uid }: BindOutcome): string {
  const [first] = blockers;
  if (first) return `${holderText(first)}: ${conflictReason(first, set, uid)}`;
  if (doubtful.length === 1) return `${holderText(doubtful[0])}: ${conflictReason(doubtful[0], set, uid)}`;
  if (doubtful.length > 1) return `one of ${listed(doubtful.map(holderText))} did not set the option as well`;
  return 'no socket that is visible here refuses it: one that came or went just now, or, before Linux 6.8, one that is bound but does not listen';
}

function conflictReason(holder: PortHolder, set: BindSet, uid: number): string {
  const { reuseaddr, reuseport } = OPTIONS_OF[set];
  const listens = holder.state === TcpState.LISTEN;
  if (reuseport && holder.reuseport && holder.uid !== uid && holder.state !== TcpState.TIME_WAIT) {
    return `it set SO_REUSEPORT, but for uid ${holder.uid}, and this trial is of uid ${uid}: only sockets of one user share`;
  }
  if (listens) {
    if (reuseport) return 'it listens, and not with SO_REUSEPORT for the same user';
    return reuseaddr ? 'it listens, and beside a listener SO_REUSEADDR does not help' : 'it listens';
  }
  if (reuseaddr) return 'its program had not set SO_REUSEADDR, which both sides must (outgoing connections rarely do)';
  if (reuseport) return 'it blocks what it does not share; SO_REUSEPORT must be set on both sides, for one user';
  return 'it blocks a plain bind, which shares with no other socket';
}

function explainRefusal({ result, port, unprivilegedFrom = UNPRIVILEGED_FROM }: BindOutcome): string {
  if (result === 'EACCES' && port < unprivilegedFrom) {
    return `ports below ${unprivilegedFrom} (net.ipv4.ip_unprivileged_port_start) need CAP_NET_BIND_SERVICE`;
  }
  return 'a security module or a BPF program of the cgroup forbids it';
}
