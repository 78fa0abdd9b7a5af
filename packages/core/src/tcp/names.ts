import { type StateName, TcpState } from './states.ts';

export type NameSystem =
  | 'rfc9293'
  | 'linux-netstat'
  | 'ss'
  | 'proc-net-tcp'
  | 'solaris'
  | 'bsd'
  | 'macos'
  | 'windows-netstat'
  | 'windows-powershell'
  | 'aix'
  | 'conntrack';

/** What one other system calls a state. Several spellings where its documentation and its program differ. */
export interface ForeignName {
  system: NameSystem;
  names: readonly string[];
  note?: string;
}

const SYSTEM_TITLES: Readonly<Record<NameSystem, string>> = {
  rfc9293: 'RFC 9293',
  'linux-netstat': 'Linux netstat',
  ss: 'ss',
  'proc-net-tcp': '/proc/net/tcp',
  solaris: 'Solaris, illumos',
  bsd: 'BSD netstat',
  macos: 'macOS netstat',
  'windows-netstat': 'Windows netstat',
  'windows-powershell': 'Get-NetTCPConnection',
  aix: 'AIX netstat',
  conntrack: 'conntrack',
};

export const NAME_SYSTEMS = Object.keys(SYSTEM_TITLES) as readonly NameSystem[];

export function systemTitle(system: NameSystem): string {
  return SYSTEM_TITLES[system];
}

type Row = Partial<Record<NameSystem, readonly string[]>>;

/** BSD, macOS and AIX print the same words; so does Solaris, which adds BOUND and IDLE. */
function unix(name: string): Row {
  return { solaris: [name], bsd: [name], macos: [name], aix: [name] };
}

// Sources: RFC 9293 §3.3.2; net-tools 2.10; iproute2 6.1 and 6.8 (-B); include/net/tcp_states.h; illumos
// netstat.c and netstat(8); FreeBSD and xnu tcp_fsm.h; Microsoft's pages on netstat and Get-NetTCPConnection, and
// the words its netstat prints; IBM's netstat page; nf_conntrack_proto_tcp.c. A name that none of them shows is absent.
const TABLE: Readonly<Record<StateName, Row>> = {
  ESTABLISHED: {
    rfc9293: ['ESTABLISHED'],
    'linux-netstat': ['ESTABLISHED'],
    ss: ['ESTAB', 'established'],
    'proc-net-tcp': ['01'],
    ...unix('ESTABLISHED'),
    'windows-netstat': ['ESTABLISHED'],
    'windows-powershell': ['Established'],
    conntrack: ['ESTABLISHED'],
  },
  SYN_SENT: {
    rfc9293: ['SYN-SENT'],
    'linux-netstat': ['SYN_SENT'],
    ss: ['SYN-SENT', 'syn-sent'],
    'proc-net-tcp': ['02'],
    ...unix('SYN_SENT'),
    'windows-netstat': ['SYN_SENT', 'SYN_SEND'],
    'windows-powershell': ['SynSent'],
    conntrack: ['SYN_SENT', 'SYN_SENT2'],
  },
  SYN_RECV: {
    rfc9293: ['SYN-RECEIVED'],
    'linux-netstat': ['SYN_RECV'],
    ss: ['SYN-RECV', 'syn-recv'],
    'proc-net-tcp': ['03'],
    ...unix('SYN_RCVD'),
    solaris: ['SYN_RECEIVED', 'SYN_RCVD'],
    'windows-netstat': ['SYN_RECEIVED'],
    'windows-powershell': ['SynReceived'],
    conntrack: ['SYN_RECV'],
  },
  FIN_WAIT1: {
    rfc9293: ['FIN-WAIT-1'],
    'linux-netstat': ['FIN_WAIT1'],
    ss: ['FIN-WAIT-1', 'fin-wait-1'],
    'proc-net-tcp': ['04'],
    ...unix('FIN_WAIT_1'),
    'windows-netstat': ['FIN_WAIT_1'],
    'windows-powershell': ['FinWait1'],
    conntrack: ['FIN_WAIT'],
  },
  FIN_WAIT2: {
    rfc9293: ['FIN-WAIT-2'],
    'linux-netstat': ['FIN_WAIT2'],
    ss: ['FIN-WAIT-2', 'fin-wait-2'],
    'proc-net-tcp': ['05'],
    ...unix('FIN_WAIT_2'),
    'windows-netstat': ['FIN_WAIT_2'],
    'windows-powershell': ['FinWait2'],
    conntrack: ['CLOSE_WAIT'],
  },
  TIME_WAIT: {
    rfc9293: ['TIME-WAIT'],
    'linux-netstat': ['TIME_WAIT'],
    ss: ['TIME-WAIT', 'time-wait'],
    'proc-net-tcp': ['06'],
    ...unix('TIME_WAIT'),
    'windows-netstat': ['TIME_WAIT', 'TIMED_WAIT'],
    'windows-powershell': ['TimeWait'],
    conntrack: ['TIME_WAIT'],
  },
  CLOSE: {
    rfc9293: ['CLOSED'],
    'linux-netstat': ['CLOSE'],
    ss: ['UNCONN', 'closed', 'unconnected'],
    'proc-net-tcp': ['07'],
    ...unix('CLOSED'),
    solaris: ['CLOSED', 'IDLE'],
    'windows-netstat': ['CLOSED'],
    'windows-powershell': ['Closed', 'DeleteTCB'],
    conntrack: ['CLOSE'],
  },
  CLOSE_WAIT: {
    rfc9293: ['CLOSE-WAIT'],
    'linux-netstat': ['CLOSE_WAIT'],
    ss: ['CLOSE-WAIT', 'close-wait'],
    'proc-net-tcp': ['08'],
    ...unix('CLOSE_WAIT'),
    'windows-netstat': ['CLOSE_WAIT'],
    'windows-powershell': ['CloseWait'],
    conntrack: ['CLOSE_WAIT'],
  },
  LAST_ACK: {
    rfc9293: ['LAST-ACK'],
    'linux-netstat': ['LAST_ACK'],
    ss: ['LAST-ACK', 'last-ack'],
    'proc-net-tcp': ['09'],
    ...unix('LAST_ACK'),
    'windows-netstat': ['LAST_ACK'],
    'windows-powershell': ['LastAck'],
    conntrack: ['LAST_ACK'],
  },
  LISTEN: {
    rfc9293: ['LISTEN'],
    'linux-netstat': ['LISTEN'],
    ss: ['LISTEN', 'listening'],
    'proc-net-tcp': ['0A'],
    ...unix('LISTEN'),
    'windows-netstat': ['LISTENING', 'LISTEN'],
    'windows-powershell': ['Listen'],
  },
  CLOSING: {
    rfc9293: ['CLOSING'],
    'linux-netstat': ['CLOSING'],
    ss: ['CLOSING', 'closing'],
    'proc-net-tcp': ['0B'],
    ...unix('CLOSING'),
    'windows-powershell': ['Closing'],
    conntrack: ['LAST_ACK'],
  },
  NEW_SYN_RECV: {
    rfc9293: ['SYN-RECEIVED'],
    'linux-netstat': ['SYN_RECV'],
    ss: ['SYN-RECV', 'syn-recv'],
    'proc-net-tcp': ['03'],
    conntrack: ['SYN_RECV'],
  },
  BOUND_INACTIVE: {
    rfc9293: ['CLOSED'],
    ss: ['UNCONN'],
    solaris: ['BOUND'],
    'windows-powershell': ['Bound'],
  },
};

const NOTES: Partial<Record<`${StateName}/${NameSystem}`, string>> = {
  'SYN_SENT/windows-netstat': 'it prints SYN_SENT; its documentation says SYN_SEND',
  'SYN_SENT/conntrack': 'SYN_SENT2 when both ends sent a SYN',
  'SYN_RECV/solaris': 'the manual says SYN_RECEIVED, the program prints SYN_RCVD',
  'SYN_RECV/conntrack': 'a SYN,ACK was seen, so the other end may still be in SYN_SENT',
  'ESTABLISHED/conntrack': 'kept for days without a packet, whether or not a socket still exists',
  'FIN_WAIT1/conntrack': 'a FIN was seen from either end, so the socket here may be the one that received it',
  'FIN_WAIT2/conntrack':
    'it follows packets, not ends: one FIN acknowledged is CLOSE_WAIT for both ends, dropped after a minute',
  'CLOSE_WAIT/conntrack':
    'the same word for both ends of the half-closed connection; dropped after a minute while the socket stays',
  'CLOSING/conntrack': 'FINs seen from both ends, whoever was first',
  'LAST_ACK/conntrack': 'FINs seen from both ends, whoever was first',
  'TIME_WAIT/conntrack': "a timer of its own (120 s by default), not the socket's 60 s",
  'TIME_WAIT/windows-netstat': 'it prints TIME_WAIT; its documentation says TIMED_WAIT',
  'CLOSE/conntrack': 'a reset was seen',
  'CLOSE/solaris': 'IDLE is a socket that is open but not yet bound',
  'CLOSE/windows-powershell': 'DeleteTCB is a connection record on its way out',
  'LISTEN/windows-netstat': 'it prints LISTENING; its documentation says LISTEN',
  'NEW_SYN_RECV/ss': 'Linux tools show it as SYN_RECV',
  'BOUND_INACTIVE/ss': 'shown by ss -B since iproute2 6.8 on Linux 6.8',
};

/** Every name of this state elsewhere, in a fixed order; systems that show no such state are left out. */
export function foreignNames(state: StateName): ForeignName[] {
  return NAME_SYSTEMS.flatMap((system) => {
    const names = TABLE[state][system];
    const note = NOTES[`${state}/${system}`];
    return names ? [{ system, names, ...(note && { note }) }] : [];
  });
}

/** Case, separators and the prefixes of kernel constants (TCP_, TCPS_, MIB_TCP_STATE_) do not distinguish names. */
function normalise(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/[-_ ]/g, '')
    .replace(/^(?:mibtcpstate|tcpstate|bpftcp|tcps?)/, '');
}

// Where one foreign name stands for several states the usual socket comes first, the Linux-only phases last.
const SEARCH_ORDER: readonly StateName[] = [
  ...(Object.keys(TcpState) as StateName[]).filter((state) => TABLE[state].aix),
  'NEW_SYN_RECV',
  'BOUND_INACTIVE',
];
const CONNTRACK_FIRST: readonly StateName[] = ['CLOSE_WAIT', 'LAST_ACK', ...SEARCH_ORDER];

function search(system: NameSystem, wanted: string): StateName | undefined {
  const order = system === 'conntrack' ? CONNTRACK_FIRST : SEARCH_ORDER;
  return order.find((state) => TABLE[state][system]?.some((name) => normalise(name) === wanted));
}

/**
 * The state another system means by `name`, in any case and with any separators. Without `system` every system is
 * asked except conntrack, whose words mean other things. Undefined when nobody uses that name.
 */
export function stateFromForeignName(system: NameSystem | undefined, name: string): StateName | undefined {
  const wanted = normalise(name).replace(/^0x/, '');
  if (wanted === '') return undefined;
  if (system) return search(system, wanted);
  for (const candidate of NAME_SYSTEMS) {
    if (candidate === 'conntrack') continue;
    const state = search(candidate, wanted);
    if (state) return state;
  }
  // The constants of the Linux header that no tool prints.
  return SEARCH_ORDER.find((state) => normalise(state) === wanted);
}
