import type { Forecast } from './forecast.ts';

/** Every `because` of a forecast: fixed texts, so that 100,000 forecasts cost no string. */
export const Because = {
  retransmitOwned: 'the peer acknowledges nothing; the kernel gives up when tcp_retries2 is used up',
  retransmitOwnedCaveat:
    'the peer acknowledges nothing; the kernel gives up when tcp_retries2 is used up (sooner or later if the program set TCP_USER_TIMEOUT, which could not be read)',
  retransmitOrphan:
    'the peer acknowledges nothing and no process holds the socket; the kernel gives up when tcp_orphan_retries is used up (unless the program had set TCP_USER_TIMEOUT)',
  userTimeout: 'the peer acknowledges nothing; the kernel gives up when the TCP_USER_TIMEOUT of the socket has passed',
  heldBackOwned:
    'the peer acknowledges nothing, and the timeout is kept from doubling, as happens while the network layer reports the host unreachable; the kernel gives up soon after tcp_retries2 is used up (at another time if these reports stop)',
  heldBackOwnedCaveat:
    'the peer acknowledges nothing, and the timeout is kept from doubling, as happens while the network layer reports the host unreachable; the kernel gives up soon after tcp_retries2 is used up (at another time if these reports stop, or if the program set TCP_USER_TIMEOUT, which could not be read)',
  heldBackOrphan:
    'the peer acknowledges nothing, no process holds the socket, and the timeout is kept from doubling, as happens while the network layer reports the host unreachable; the kernel gives up soon after tcp_orphan_retries is used up (at another time if these reports stop, or if the program had set TCP_USER_TIMEOUT)',
  unreachable:
    'the peer acknowledges nothing, and the next hop does not answer on the link, which may keep the timeout from doubling; the kernel gives up when the retries are used up (unless the program set TCP_USER_TIMEOUT)',
  inFlight: 'the peer has not yet acknowledged the last data; that is normal for a moment',
  inFlightCaveat:
    'the peer has not yet acknowledged the last data; that is normal for a moment (the time is another if the program set TCP_USER_TIMEOUT, which could not be read)',
  shrunkAnswered: 'the peer took back its receive window but still answers; the kernel waits as long as it does',
  shrunkSilent: 'the peer took back its receive window and is silent; the kernel gives up after twice the maximum RTO',
  windowOwnedAnswered: 'the peer is alive but keeps its receive window closed; the kernel probes it for ever',
  windowOwnedSilent: 'the peer no longer answers window probes; the kernel gives up when tcp_retries2 is used up',
  windowOwnedSilentCaveat:
    'the peer no longer answers window probes; the kernel gives up when tcp_retries2 is used up (unless the program set TCP_USER_TIMEOUT, which could not be read)',
  windowOpens: 'the peer opens its receive window; if it falls silent, the probes run out',
  windowOpensCaveat:
    'the peer opens its receive window; if it falls silent, the probes run out (at another time if the program set TCP_USER_TIMEOUT, which could not be read)',
  windowUserTimeout:
    'the receive window of the peer is closed; TCP_USER_TIMEOUT of the socket counts although probes are answered',
  windowOrphan: 'the receive window of the peer is closed and no process holds the socket; the probes are limited',
  windowOrphanNever:
    'the peer answers every window probe, and tcp_orphan_retries and tcp_retries2 here never let the probes run out',
  synSent: 'the peer does not answer the SYN; the kernel gives up when tcp_syn_retries is used up',
  synSentCaveat:
    'the peer does not answer the SYN; the kernel gives up when tcp_syn_retries is used up (unless the program set TCP_SYNCNT or TCP_USER_TIMEOUT, which could not be read)',
  synReceived:
    'the peer does not complete the handshake; the kernel gives up when tcp_synack_retries is used up (sooner if over half of the backlog of the listener is half-open, other if the listener set TCP_SYNCNT)',
  keepaliveIdle: 'the program or the peer closes it, or the peer stops answering keepalive probes',
  keepaliveIdleCaveat:
    'the program or the peer closes it, or the peer stops answering keepalive probes (times by the defaults of the namespace: the program may have set its own, which could not be read)',
  keepaliveFailing: 'the peer does not answer keepalive probes',
  keepaliveFailingCaveat:
    'the peer does not answer keepalive probes (latest time by the defaults of the namespace: the program may have set its own)',
  keepaliveOwnTimes: 'keepalive runs, but with times that the program set and that could not be read',
  finWait2Mini: 'nothing more came from the peer; FIN_WAIT2 without an owner ends after its timeout',
  finWait2First:
    'nothing more came from the peer; FIN_WAIT2 without an owner runs tcp_fin_timeout (or TCP_LINGER2) less 60 s twice',
  finWait2Held: 'the program keeps the socket, and the peer has not closed its side: no timer runs',
  timeWait: 'TIME_WAIT lasts 60 s from the last segment of the connection',
  closeWait: 'the program has not closed its side: no timer runs',
  unaccepted: 'no program has accepted it yet: no timer runs',
  idle: 'idle, and without keepalive nothing notices whether the peer is still there',
  listen: 'it listens until the program closes it',
  bound: 'it stays bound until the program closes it',
  immortal: 'no process holds the socket and no timer runs: nothing is left that could end it',
  noTimer: 'no timer runs',
  noInfo: 'the TCP_INFO of the socket was not read',
  noSettings: 'the settings of the network namespace could not be read',
  noRule: 'no rule is known for this state with this timer',
} as const;

export const never = (because: string): Forecast => ({ kind: 'never', because });
export const unknown = (because: string): Forecast => ({ kind: 'unknown', because });

const UNREAD: ReadonlySet<string> = new Set([
  Because.retransmitOwnedCaveat,
  Because.inFlightCaveat,
  Because.heldBackOwnedCaveat,
  Because.windowOwnedSilentCaveat,
  Because.windowOpensCaveat,
  Because.synSentCaveat,
  Because.synReceived,
  Because.keepaliveIdleCaveat,
  Because.keepaliveFailingCaveat,
]);

/**
 * Whether the time holds only if the program has left an option of the socket alone (TCP_USER_TIMEOUT, TCP_SYNCNT,
 * keepalive times) that was not read. Of orphans it can never be read; they are not counted here.
 */
export function dependsOnUnreadOption({ because }: { because: string }): boolean {
  return UNREAD.has(because);
}
