import type { StateName } from '../tcp/states.ts';
import { instead, measured, PORT_PRESSURE, source } from './evidence.ts';
import type { AdviceEvidence, AdviceInstead, AdviceVerdict } from './judgement.ts';

/** What changing a setting is worth to people with stuck connections. What it governs is in the catalogue. */
export interface SettingVerdict {
  verdict: AdviceVerdict;
  /** States in which it has a say; for any other that the advice names it does nothing. */
  states: readonly StateName[];
  /** What the catalogue does not say, before what it says. */
  lead?: string;
  /** A value that the kernel takes and that is not sensible; `harmful` where nothing is said. */
  ofFolly?: AdviceVerdict;
  /** Verdict on a value below (or above) what the host has now. */
  lowered?: AdviceVerdict;
  raised?: AdviceVerdict;
  ofValue?: Readonly<Record<string, AdviceVerdict>>;
  evidence?: readonly AdviceEvidence[];
  instead?: readonly AdviceInstead[];
  checkedBy?: readonly string[];
}

const FIN_IN_FLIGHT = ['FIN_WAIT1', 'LAST_ACK', 'CLOSING'] as const;
const IDLE = ['ESTABLISHED', 'CLOSE_WAIT', 'FIN_WAIT2'] as const;

const KEEPALIVE: SettingVerdict = {
  verdict: 'works-but',
  states: IDLE,
  evidence: [
    measured('without SO_KEEPALIVE a connection to a vanished peer outlived 1 s, 1 s and 1 probe'),
    measured('FIN_WAIT1 of an orphan: 109 s with keepalive, 107 s without'),
  ],
  instead: [
    instead(
      'lastack retune state established --keepalive 60/10/6 --dry-run',
      'asks for keepalive on live sockets of programs that never did',
    ),
  ],
  checkedBy: ['keepalive-ends-idle-not-fin-wait-1', 'keepalive-settings-need-so-keepalive'],
};

const NOTHING: SettingVerdict = { verdict: 'does-nothing', states: [] };

/** An entry that goes too early strands the connection; one that stays too long only costs memory. */
const TRACKED: SettingVerdict = {
  verdict: 'does-nothing',
  states: [],
  lead: 'It is about what the firewall remembers and ends no socket.',
  evidence: [measured('deleting an entry leaves both sockets as they were', 'lastack lab run conntrack-missing')],
  instead: [instead('lastack ls --conntrack', "shows the firewall's entry beside each socket")],
  checkedBy: ['conntrack-delete-leaves-the-socket'],
};
const TRACKED_AND_NEEDED: SettingVerdict = { ...TRACKED, lowered: 'harmful', raised: 'works-but' };

const NEEDED_LONG = ['established', 'fin_wait', 'close_wait', 'last_ack', 'max_retrans', 'unacknowledged'];

const VERDICTS: Readonly<Record<string, SettingVerdict>> = {
  tcp_orphan_retries: {
    verdict: 'works-but',
    states: FIN_IN_FLIGHT,
    evidence: [
      measured(
        'set to 1, every orphan in FIN_WAIT1 of the namespace was gone within seconds, with its undelivered data',
        'lastack lab run fin-wait-1-blackhole-orphan',
      ),
      measured('default: 106.6 s; 3: 6.6 to 6.8 s'),
    ],
    instead: [
      instead(
        'lastack clear state fin-wait-1 stuck --method sweep-orphans --dry-run',
        'lowers it for a moment, and puts it back even when killed',
      ),
    ],
    checkedBy: ['orphan-retries-reads-0', 'orphan-retries-1-acts-at-once'],
  },
  tcp_retries2: {
    verdict: 'works-but',
    states: [...FIN_IN_FLIGHT, 'ESTABLISHED'],
    evidence: [measured('default: 938 s until ETIMEDOUT; orphans and idle connections do not obey it')],
    instead: [
      instead(
        'lastack retune state established --user-timeout 30s --dry-run',
        'bounds single connections instead of all',
      ),
    ],
    checkedBy: ['retries2-ends-held-not-orphans'],
  },
  tcp_retries1: NOTHING,
  tcp_rto_max_ms: {
    verdict: 'works-but',
    states: [...FIN_IN_FLIGHT, 'ESTABLISHED', 'SYN_SENT'],
    evidence: [measured('5000: FIN_WAIT1 of an orphan ended after 11.9 s, a connection attempt after 32 s')],
    checkedBy: ['rto-max-shortens-new-orphans'],
  },
  tcp_rto_min_us: NOTHING,
  tcp_fin_timeout: {
    verdict: 'works-but',
    states: ['FIN_WAIT2'],
    ofFolly: 'works-but',
    evidence: [
      measured('set to 1, FIN_WAIT1 was still there after 12 s and TIME_WAIT lasted its 60 s'),
      measured(
        '66, changed to 61 during the first 6 s: gone after 7 s, since the second half is worked out when the first ends',
      ),
      measured(
        '61 gave 2.06 s, 70 gave 20.4 s, 90 gave 61.6 s, 120 gave 123 s',
        'lastack lab run fin-wait-2-orphans-61',
      ),
    ],
    instead: [
      instead(
        'lastack clear state fin-wait-2 orphan --dry-run',
        'ends those that wait now: a change of the setting does not reach them',
      ),
    ],
    checkedBy: [
      'fin-timeout-leaves-fin-wait-1',
      'fin-timeout-leaves-time-wait',
      'fin-timeout-61-gives-2-s',
      'fin-timeout-leaves-armed-timers',
    ],
  },
  tcp_max_orphans: {
    verdict: 'works-but',
    states: [...FIN_IN_FLIGHT, 'FIN_WAIT2'],
    lowered: 'harmful',
    lead: 'It is one number for the whole host.',
  },
  tcp_mem: { ...NOTHING, lead: 'It shortens no state.' },
  tcp_max_tw_buckets: {
    verdict: 'works-but',
    states: ['TIME_WAIT', 'FIN_WAIT2'],
    lowered: 'harmful',
    evidence: [
      measured('lowering it evicted none of the TIME_WAIT that were there', 'lastack lab run time-wait-overflow'),
    ],
    instead: [PORT_PRESSURE],
    checkedBy: ['max-tw-buckets-evicts-nothing'],
  },
  tcp_tw_reuse: {
    verdict: 'works-but',
    states: ['TIME_WAIT'],
    lead: 'It frees nothing: the number of TIME_WAIT stays the same. It only lets a client connect() again where ports run short.',
    evidence: [
      measured(
        'with one port and 0: EADDRNOTAVAIL; with 1: connected after a second, and no TIME_WAIT had gone before that',
      ),
      measured('with 2 (the default) only on loopback; with tcp_timestamps 0 not at all'),
    ],
    instead: [PORT_PRESSURE],
    checkedBy: ['tw-reuse-frees-nothing'],
  },
  tcp_tw_reuse_delay: {
    verdict: 'works-but',
    states: ['TIME_WAIT'],
    lead: 'It frees nothing.',
    instead: [PORT_PRESSURE],
    checkedBy: ['tw-reuse-delay-is-waited-for'],
  },
  tcp_tw_recycle: {
    verdict: 'gone',
    states: [],
    evidence: [
      measured('there is no such file under /proc/sys/net/ipv4', 'ls /proc/sys/net/ipv4/tcp_tw_recycle'),
      source('commit 4396e46187ca', 'tcp: remove tcp_tw_recycle'),
    ],
    instead: [
      PORT_PRESSURE,
      instead(
        'lastack tune set tcp_tw_reuse=1 --dry-run',
        'on the host that connects, if it really runs short of ports',
      ),
    ],
    checkedBy: ['tw-recycle-is-gone'],
  },
  tcp_rfc1337: {
    verdict: 'works-but',
    states: ['TIME_WAIT'],
    lead: 'It lengthens TIME_WAIT where a reset would end it. (The documentation of the kernel long said the opposite of what 1 does.)',
    evidence: [measured('a reset with the exact number ended TIME_WAIT with 0, and was ignored with 1')],
    checkedBy: ['rfc1337-ignores-resets'],
  },
  tcp_timestamps: {
    ...NOTHING,
    ofValue: { '0': 'harmful' },
    evidence: [measured('with 0, tcp_tw_reuse=1 did not let connect() take a TIME_WAIT over')],
    checkedBy: ['tw-reuse-frees-nothing'],
  },
  tcp_keepalive_time: KEEPALIVE,
  tcp_keepalive_intvl: KEEPALIVE,
  tcp_keepalive_probes: KEEPALIVE,
  tcp_invalid_ratelimit: NOTHING,
  tcp_challenge_ack_limit: NOTHING,
  tcp_syn_retries: {
    verdict: 'works-but',
    states: ['SYN_SENT'],
    evidence: [measured('default: connect() failed after 133 to 135 s')],
    checkedBy: ['syn-retries-bounds-connect'],
  },
  tcp_syn_linear_timeouts: { ...NOTHING, states: ['SYN_SENT'] },
  tcp_synack_retries: {
    verdict: 'works-but',
    states: ['SYN_RECV', 'NEW_SYN_RECV'],
    evidence: [measured('default: 65 s; 2: 7.2 s', 'lastack lab run syn-recv-pileup')],
    checkedBy: ['synack-retries-bounds-syn-recv'],
  },
  tcp_max_syn_backlog: { verdict: 'works-but', states: ['SYN_RECV', 'NEW_SYN_RECV'] },
  tcp_syncookies: { verdict: 'works-but', states: ['SYN_RECV', 'NEW_SYN_RECV'] },
  somaxconn: {
    verdict: 'works-but',
    states: ['LISTEN', 'CLOSE_WAIT'],
    lead: 'A longer queue only helps a program that is late for a moment; one that does not accept fills any queue.',
  },
  tcp_abort_on_overflow: { verdict: 'works-but', states: ['LISTEN', 'SYN_RECV', 'NEW_SYN_RECV'] },
  tcp_migrate_req: { verdict: 'works-but', states: ['LISTEN', 'SYN_RECV', 'NEW_SYN_RECV'] },
  ip_local_port_range: {
    verdict: 'works-but',
    states: ['TIME_WAIT', 'SYN_SENT'],
    lead: 'More ports put off the moment when they run out; no TIME_WAIT goes.',
    evidence: [
      measured(
        'with all ports in TIME_WAIT connect() gave EADDRNOTAVAIL; with one more it succeeded, and all TIME_WAIT were there',
      ),
    ],
    instead: [PORT_PRESSURE],
    checkedBy: ['more-ports-free-nothing'],
  },
  ...Object.fromEntries(NEEDED_LONG.map((state) => [`nf_conntrack_tcp_timeout_${state}`, TRACKED_AND_NEEDED])),
};

/** Undefined for a setting that has none yet: a test sees to it that every one of the catalogue has. */
export function settingVerdict(name: string): SettingVerdict | undefined {
  return VERDICTS[name] ?? (name.startsWith('nf_conntrack_tcp_') ? TRACKED : undefined);
}
