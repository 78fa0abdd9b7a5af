import type { Governor, StateMeaning } from './meaning.ts';
import type { StateName } from './states.ts';

type Closing = Extract<StateName, 'FIN_WAIT1' | 'FIN_WAIT2' | 'CLOSING' | 'TIME_WAIT' | 'CLOSE_WAIT' | 'LAST_ACK'>;

/** FIN_WAIT1, CLOSING and LAST_ACK all have a FIN in flight and die by the same rules. */
const FIN_IN_FLIGHT: readonly Governor[] = [
  {
    when: 'held by a program, nothing acknowledged',
    text: 'Given up when the retransmission timer expires {=held} or more after the first retransmission.',
    settings: ['tcp_retries2', 'tcp_rto_max_ms'],
  },
  {
    when: 'orphan, nothing acknowledged',
    text: 'tcp_orphan_retries is {=orphanRetries}: given up when the retransmission timer expires {=orphan} or more after the first retransmission.',
    settings: ['tcp_orphan_retries', 'tcp_rto_max_ms'],
  },
  {
    when: 'held, the peer shut its window but answers',
    text: 'Never: the FIN waits behind data the peer does not read.',
    settings: [],
  },
  {
    when: 'held, the peer shut its window and does not answer',
    text: 'Given up after {tcp_retries2} probes in a row without an answer.',
    settings: ['tcp_retries2'],
  },
  {
    when: 'orphan, the peer shut its window but answers',
    text: '{=orphanZeroWindow}',
    settings: ['tcp_orphan_retries', 'tcp_rto_max_ms'],
  },
  {
    when: 'TCP_USER_TIMEOUT set by the program',
    text: 'It replaces the times above, also once the program is gone, and runs although probes are answered.',
    settings: [],
  },
  {
    when: 'orphan, no timer runs',
    text: 'Never: some kernels leave a socket like this behind when a socket is destroyed, or when the kernel itself closes one.',
    settings: [],
  },
  {
    when: 'too many orphans on this host',
    text: 'Reset, at close or at its next timer, when all orphans together exceed tcp_max_orphans.',
    settings: ['tcp_max_orphans'],
  },
];

/** States after someone closed. */
export const CLOSING_MEANINGS: Readonly<Record<Closing, StateMeaning>> = {
  FIN_WAIT1: {
    meaning:
      'This end has closed and its FIN is not acknowledged. Either the FIN or its ACK is lost, or the FIN still waits behind data that the peer has not taken. Usually it lasts one round trip.',
    ends: 'The FIN is acknowledged, a reset comes, or the kernel gives up.',
    next: [
      { actor: 'peer-host', what: 'acknowledge the FIN' },
      { actor: 'peer-app', what: 'read, when its window is shut and the FIN waits behind data' },
    ],
    governs: FIN_IN_FLIGHT,
    misbeliefs: [
      '"tcp_fin_timeout clears it" - that setting governs FIN_WAIT2 without owner, and nothing else.',
      '"Keepalive clears it" - the keepalive timer stands back while anything is in flight.',
      '"A firewall rule that drops the connection helps" - then no answer can end it and it lasts its full time.',
    ],
  },
  FIN_WAIT2: {
    meaning:
      'This end has closed, the peer has acknowledged it, and the peer has not closed. Its kernel is alive; its program still sends, or has forgotten to close. The other end of it is in CLOSE_WAIT.',
    ends: "The peer's FIN comes, a reset comes, or (only without owner) the timer runs out.",
    next: [{ actor: 'peer-app', what: 'close its end' }],
    governs: [
      {
        when: 'held by a program',
        text: 'Never: it called shutdown() and still holds the descriptor. No setting ends it.',
        settings: [],
      },
      {
        when: 'held, keepalive asked for by the program',
        text: 'A peer that has vanished is noticed after {=keepalive}; a live peer answers the probes for ever.',
        settings: ['tcp_keepalive_time', 'tcp_keepalive_intvl', 'tcp_keepalive_probes'],
      },
      {
        when: 'orphan',
        text: '{=finWait2} TCP_LINGER2 may set another time per socket. A change does not reach sockets already waiting.',
        settings: ['tcp_fin_timeout'],
      },
    ],
    misbeliefs: [
      '"A larger tcp_fin_timeout always waits longer" - above 60 the wait is 2 x (T - 60): 61 gives 2 s, 90 gives 60 s.',
      '"It is a fault here" - this end has done its part; the end that must act is the other one.',
    ],
  },
  CLOSING: {
    meaning:
      'Both ends closed at the same time. The FIN of the peer has come, the ACK of our own FIN has not. It is rare and usually lasts one round trip.',
    ends: 'Our FIN is acknowledged, a reset comes, or the kernel gives up.',
    next: [{ actor: 'peer-host', what: 'acknowledge our FIN' }],
    governs: FIN_IN_FLIGHT,
    misbeliefs: ['"The program is still closing" - it is done; only an acknowledgement is missing.'],
  },
  TIME_WAIT: {
    meaning:
      'The connection is over on both sides. The end that closed first remembers it for a while, so that a stray segment does not reach a new connection of the same addresses and a repeated FIN still gets its ACK. It is normal and costs little.',
    ends: 'Its 60 s run out; a segment outside the window that carries an ACK starts them again.',
    next: [{ actor: 'kernel', what: 'wait; nobody has to do anything' }],
    governs: [
      { when: 'always', text: '60 s, a constant in the kernel. No setting changes it.', settings: [] },
      {
        when: 'tcp_max_tw_buckets reached',
        text: 'Beyond that many none is made: the connection is forgotten at once, without the protection.',
        settings: ['tcp_max_tw_buckets'],
      },
      {
        when: 'connect() needs the same addresses',
        text: 'tcp_tw_reuse (0 never, 1 yes, 2 on loopback only; needs timestamps) lets a new outgoing connection take its place. It frees nothing otherwise.',
        settings: ['tcp_tw_reuse', 'tcp_timestamps'],
      },
      {
        when: 'a reset comes',
        text: 'tcp_rfc1337 decides: 0 obeys it, 1 ignores it.',
        settings: ['tcp_rfc1337'],
      },
    ],
    misbeliefs: [
      '"tcp_fin_timeout shortens it" - it does not; the 60 s are a constant.',
      '"tcp_tw_reuse frees these sockets" - it only lets a client re-use an address pair.',
      '"tcp_tw_recycle" - it broke clients behind NAT and is gone since Linux 4.12.',
      '"SO_REUSEADDR removes them" - it lets bind() succeed while they stay.',
    ],
  },
  CLOSE_WAIT: {
    meaning:
      'The peer has closed and this kernel has acknowledged it. The program here has not closed its end: it has not noticed, has stopped reading, has forgotten the descriptor, or never accepted the connection (then the inode is 0). The peer sits in FIN_WAIT2, or is long gone.',
    ends: 'The program closes the socket or ends; a reset comes in answer to something sent.',
    next: [{ actor: 'local-app', what: 'close the socket' }],
    governs: [
      { when: 'idle, no keepalive', text: 'Never: there is no timer. No setting ends it.', settings: [] },
      {
        when: 'keepalive asked for by the program',
        text: 'A peer that has vanished is noticed after {=keepalive}; a live peer answers the probes for ever.',
        settings: ['tcp_keepalive_time', 'tcp_keepalive_intvl', 'tcp_keepalive_probes'],
      },
      {
        when: 'data is queued and nothing is acknowledged',
        text: 'Given up when the retransmission timer expires {=held} or more after the first retransmission.',
        settings: ['tcp_retries2', 'tcp_rto_max_ms'],
      },
    ],
    misbeliefs: [
      '"A sysctl clears it" - none does; it is a fault of the program that holds the socket.',
      '"It waits for the network" - the network is done; it waits for one close() here.',
      '"Solaris had tcp_close_wait_interval" - whatever its name, that governed TIME_WAIT.',
    ],
  },
  LAST_ACK: {
    meaning:
      'The peer closed first, then this end closed; the ACK of our FIN is missing. Usually it lasts one round trip. Longer means that the peer, or something between, no longer answers for this connection.',
    ends: 'Our FIN is acknowledged, a reset comes, or the kernel gives up.',
    next: [
      { actor: 'peer-host', what: 'acknowledge our FIN' },
      { actor: 'peer-app', what: 'read, when its window is shut and the FIN waits behind data' },
    ],
    governs: FIN_IN_FLIGHT,
    misbeliefs: ['"The program must close again" - it has closed; only the other host can end this, or time.'],
  },
};
