import type { StateMeaning } from './meaning.ts';
import type { StateName } from './states.ts';

type Opening = Extract<
  StateName,
  'CLOSE' | 'BOUND_INACTIVE' | 'LISTEN' | 'SYN_SENT' | 'SYN_RECV' | 'NEW_SYN_RECV' | 'ESTABLISHED'
>;

const SYN_RECV_GOVERNOR = {
  when: 'the final ACK does not come',
  text: 'The SYN,ACK is repeated {tcp_synack_retries} times at doubling intervals: {=synRecv} in all, less when the queue of half-open connections is more than half full.',
  settings: ['tcp_synack_retries', 'tcp_max_syn_backlog'],
};

/** States before anyone closes. */
export const OPENING_MEANINGS: Readonly<Record<Opening, StateMeaning>> = {
  CLOSE: {
    meaning:
      'No connection. A program may still hold the descriptor of a socket that was never connected, or whose connection has ended; nothing of it is on the network.',
    ends: 'The program closes the descriptor, or opens a connection with it.',
    next: [{ actor: 'local-app', what: 'close the descriptor or use it' }],
    governs: [{ when: 'always', text: 'Nothing: it lasts as long as the descriptor.', settings: [] }],
    misbeliefs: ['"Closed means the program has let go" - the descriptor can stay open and counts against its limit.'],
  },
  BOUND_INACTIVE: {
    meaning:
      'A program has bound the socket to a port and does neither listen nor connect. Nobody can connect to it, yet the port is taken. A socket that was bound explicitly comes back here when its connection is destroyed while the descriptor stays open.',
    ends: 'The program listens, connects, or closes the descriptor.',
    next: [{ actor: 'local-app', what: 'listen, connect, or close the descriptor' }],
    governs: [{ when: 'always', text: 'Nothing: it lasts as long as the descriptor.', settings: [] }],
    misbeliefs: ['"No socket in the list, so the port is free" - most tools do not list this state at all.'],
  },
  LISTEN: {
    meaning:
      'A program waits for connections on this port. Complete connections queue here until the program accepts them: its receive queue counts them, its send queue is the limit.',
    ends: 'The program closes the listening socket.',
    next: [{ actor: 'local-app', what: 'accept connections as fast as they come' }],
    governs: [
      {
        when: 'the queue',
        text: "The limit is the program's listen() argument, at most somaxconn. Beyond it new connections are left waiting in SYN_SENT at their clients.",
        settings: ['somaxconn', 'tcp_max_syn_backlog'],
      },
      { when: 'the socket', text: 'Nothing: it lasts as long as the descriptor.', settings: [] },
    ],
    misbeliefs: ['"The port answers, so the program works" - the kernel completes handshakes although nobody accepts.'],
  },
  SYN_SENT: {
    meaning:
      'A program called connect(); the SYN is out and no answer has come. Either the SYN or its answer is lost or filtered, or the other host is down, or its listener has no room.',
    ends: 'The peer answers (SYN,ACK: open; RST: refused), the retries run out, or the program gives up.',
    next: [{ actor: 'peer-host', what: 'answer the SYN' }],
    governs: [
      {
        when: 'no answer comes',
        text: 'The SYN is repeated {tcp_syn_retries} times, with tcp_syn_linear_timeouts further ones before the interval begins to double: {=synSent}, then connect() fails. A program may set TCP_SYNCNT for itself.',
        settings: ['tcp_syn_retries', 'tcp_syn_linear_timeouts', 'tcp_rto_max_ms'],
      },
    ],
    misbeliefs: ['"Connection refused would show here" - a refusal is an answer and ends the state at once.'],
  },
  SYN_RECV: {
    meaning:
      'A SYN has come and was answered with SYN,ACK; the last ACK of the opening is missing. For incoming connections Linux keeps only a small request, which belongs to no process until it is complete.',
    ends: 'The ACK comes, a reset comes, or the retries run out.',
    next: [{ actor: 'peer-host', what: 'acknowledge the SYN,ACK' }],
    governs: [SYN_RECV_GOVERNOR],
    misbeliefs: [
      '"Many of these are an attack" - a return path that loses the SYN,ACK or a full accept queue looks the same.',
    ],
  },
  NEW_SYN_RECV: {
    meaning:
      "Linux's own name for a half-open incoming connection: a request object of a listener, shown by every tool as SYN_RECV. It has no owner, no user id and no inode, and that is normal.",
    ends: 'The ACK comes (a full socket is made and queued for accept), a reset comes, or the retries run out.',
    next: [{ actor: 'peer-host', what: 'acknowledge the SYN,ACK' }],
    governs: [SYN_RECV_GOVERNOR],
    misbeliefs: ['"No process, so it is an orphan" - it belongs to its listener and has not been born yet.'],
  },
  ESTABLISHED: {
    meaning:
      'The connection is open in both directions. One without an inode is complete and waits for its listener to accept it. When the other host vanishes nothing changes here until something is sent.',
    ends: 'One end closes, a reset comes, or the kernel gives up on unacknowledged data or unanswered keepalive probes.',
    next: [
      { actor: 'local-app', what: 'close when done' },
      { actor: 'peer-app', what: 'close when done' },
    ],
    governs: [
      {
        when: 'data is queued and nothing is acknowledged',
        text: 'Given up when the retransmission timer expires {=held} or more after the first retransmission; TCP_USER_TIMEOUT replaces that time where the program set it.',
        settings: ['tcp_retries2', 'tcp_rto_max_ms'],
      },
      {
        when: 'the peer shut its window but answers',
        text: 'Never: an answered probe counts as a sign of life.',
        settings: [],
      },
      {
        when: 'idle, keepalive asked for by the program',
        text: 'Ended after {=keepalive} of silence, unless the program set its own times.',
        settings: ['tcp_keepalive_time', 'tcp_keepalive_intvl', 'tcp_keepalive_probes'],
      },
      { when: 'idle, no keepalive', text: 'Never: there is no timer at all.', settings: [] },
    ],
    misbeliefs: [
      '"The keepalive sysctls protect every connection" - only those whose program set SO_KEEPALIVE.',
      '"Established means the peer is there" - it means that nobody here has heard otherwise.',
    ],
  },
};
