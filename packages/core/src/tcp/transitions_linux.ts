import type { StateName } from './states.ts';
import type { Transition } from './transitions.ts';

/** A reset of an acceptable sequence number ends these at once. */
const RESETTABLE: readonly StateName[] = [
  'SYN_SENT',
  'SYN_RECV',
  'NEW_SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSE_WAIT',
  'CLOSING',
  'LAST_ACK',
];

/** States with something unacknowledged in flight (or, for FIN_WAIT2, an orphan's patience) that the kernel gives up. */
const TIMED: readonly (readonly [StateName, string])[] = [
  ['SYN_SENT', 'No answer to any SYN.'],
  ['SYN_RECV', 'No acknowledgement of any SYN,ACK.'],
  ['NEW_SYN_RECV', 'No acknowledgement of any SYN,ACK.'],
  [
    'ESTABLISHED',
    'Queued data or keepalive probes stay unacknowledged; an idle connection without keepalive has no timer.',
  ],
  ['CLOSE_WAIT', 'Queued data or keepalive probes stay unacknowledged; without either there is no timer.'],
  ['FIN_WAIT1', 'The FIN, or data before it, stays unacknowledged.'],
  ['FIN_WAIT2', 'Only when no program holds the socket any more.'],
  ['CLOSING', 'The FIN, or data before it, stays unacknowledged.'],
  ['LAST_ACK', 'The FIN, or data before it, stays unacknowledged.'],
];

/** What Linux adds: its extra states, its timers, its limits. */
export const LINUX_TRANSITIONS: readonly Transition[] = [
  { from: 'CLOSE', event: 'bind', to: 'BOUND_INACTIVE', actor: 'local-app', where: 'linux' },
  { from: 'BOUND_INACTIVE', event: 'passive open', to: 'LISTEN', actor: 'local-app', where: 'linux' },
  { from: 'BOUND_INACTIVE', event: 'active open', to: 'SYN_SENT', actor: 'local-app', send: 'SYN', where: 'linux' },
  { from: 'BOUND_INACTIVE', event: 'close', to: 'CLOSE', actor: 'local-app', where: 'linux' },
  {
    from: 'LISTEN',
    event: 'recv SYN',
    to: 'NEW_SYN_RECV',
    actor: 'peer-app',
    send: 'SYN,ACK',
    where: 'linux',
    kindAfter: 'request',
    note: 'How Linux does SYN_RECV for incoming connections: a small request socket, shown as SYN_RECV.',
  },
  {
    from: 'NEW_SYN_RECV',
    event: 'recv ACK of SYN',
    to: 'ESTABLISHED',
    actor: 'peer-host',
    where: 'linux',
    kindAfter: 'unaccepted',
    note: 'A full socket is made and waits in the accept queue of its listener.',
  },
  {
    from: 'FIN_WAIT2',
    event: 'hand over',
    to: 'FIN_WAIT2',
    actor: 'kernel',
    where: 'linux',
    kindAfter: 'minisocket',
    note: 'An orphan is replaced by a small stand-in that keeps the state name and a timer of its own.',
  },
  {
    from: 'FIN_WAIT2',
    event: 'recv data',
    to: 'CLOSE',
    actor: 'peer-app',
    send: 'RST',
    where: 'linux',
    note: 'Nobody is left to read: an orphan answers data with a reset.',
  },
  {
    from: 'FIN_WAIT1',
    event: 'limit reached',
    to: 'CLOSE',
    actor: 'kernel',
    send: 'RST',
    where: 'linux',
    note: 'Orphans beyond tcp_max_orphans, or a negative TCP_LINGER2 that asks for no FIN_WAIT2.',
  },
  {
    from: 'FIN_WAIT2',
    event: 'limit reached',
    to: 'CLOSE',
    actor: 'kernel',
    where: 'linux',
    note: 'tcp_max_tw_buckets is reached: no stand-in and no TIME_WAIT is made.',
  },
  {
    from: 'ESTABLISHED',
    event: 'abort',
    to: 'CLOSE',
    actor: 'local-app',
    send: 'RST',
    where: 'linux',
    note: 'Closed with unread data, or with SO_LINGER of zero.',
  },
  {
    from: 'CLOSE_WAIT',
    event: 'abort',
    to: 'CLOSE',
    actor: 'local-app',
    send: 'RST',
    where: 'linux',
    note: 'Closed with unread data, or with SO_LINGER of zero.',
  },
  {
    from: 'TIME_WAIT',
    event: 'recv RST',
    to: 'CLOSE',
    actor: 'peer-host',
    where: 'linux',
    note: 'Ignored when tcp_rfc1337 is 1.',
  },
  {
    from: 'TIME_WAIT',
    event: 'recv SYN',
    to: 'NEW_SYN_RECV',
    actor: 'peer-app',
    send: 'SYN,ACK',
    where: 'linux',
    kindAfter: 'request',
    note: 'A listener takes the same address pair again when the SYN is clearly newer.',
  },
  {
    from: 'TIME_WAIT',
    event: 'active open',
    to: 'SYN_SENT',
    actor: 'local-app',
    send: 'SYN',
    where: 'linux',
    note: 'connect() takes the same address pair again, where tcp_tw_reuse and timestamps allow it.',
  },
  ...RESETTABLE.map(
    (from): Transition => ({ from, event: 'recv RST', to: 'CLOSE', actor: 'peer-host', where: 'linux' }),
  ),
  ...TIMED.map(
    ([from, note]): Transition => ({ from, event: 'timeout', to: 'CLOSE', actor: 'kernel', where: 'linux', note }),
  ),
];
