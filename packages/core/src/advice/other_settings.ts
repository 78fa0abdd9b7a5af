import { documented, instead, measured, WHY_STUCK } from './evidence.ts';
import type { AdviceJudgement } from './judgement.ts';

/** Settings that lists of advice carry along and that govern other things; the name is the last part of its path. */
const OTHER_SETTINGS: Readonly<Record<string, string>> = {
  tcp_rmem: 'the receive buffers of connections',
  tcp_wmem: 'the send buffers of connections',
  rmem_max: 'the largest receive buffer a program may ask for',
  wmem_max: 'the largest send buffer a program may ask for',
  rmem_default: 'receive buffers of sockets other than TCP',
  wmem_default: 'send buffers of sockets other than TCP',
  optmem_max: 'memory for options of a socket',
  netdev_max_backlog: 'packets that wait for a processor after they came in',
  netdev_budget: 'how many packets one round of receiving takes',
  tcp_window_scaling: 'windows above 64 KiB',
  tcp_sack: 'selective acknowledgements',
  tcp_dsack: 'reports of segments that came twice',
  tcp_fack: 'nothing: the kernel keeps the name and ignores the value',
  tcp_low_latency: 'nothing: the kernel keeps the name and ignores the value',
  tcp_ecn: 'congestion marks instead of drops',
  tcp_no_metrics_save: 'whether round-trip times are remembered per destination',
  tcp_slow_start_after_idle: 'how fast an idle connection starts again',
  tcp_congestion_control: 'how fast a connection sends',
  tcp_mtu_probing: 'finding the packet size that fits the path',
  tcp_moderate_rcvbuf: 'whether receive buffers grow by themselves',
  tcp_fastopen: 'data in the first packet of a connection',
  tcp_notsent_lowat: 'how much a program may queue before it is sent',
  tcp_thin_linear_timeouts: 'retransmissions of connections with little in flight',
  tcp_early_retrans: 'when a lost tail is sent again',
  tcp_frto: 'telling a late acknowledgement from a lost one',
  tcp_reordering: 'how much disorder is taken for loss',
  tcp_autocorking: 'joining small segments',
  tcp_workaround_signed_windows: 'peers with a fault in their windows',
  nf_conntrack_max: 'how many connections the firewall remembers',
  nf_conntrack_buckets: 'how fast the firewall finds what it remembers',
  ip_forward: 'whether this host is a router',
  rp_filter: 'whether packets from an unexpected interface are dropped',
  default_qdisc: 'the order in which packets leave',
  swappiness: 'when memory is swapped',
  disable_ipv6: 'whether IPv6 is spoken',
};

/** What the setting governs, by its last name; undefined when it is none of these. */
export function otherSetting(name: string): string | undefined {
  return Object.hasOwn(OTHER_SETTINGS, name) ? OTHER_SETTINGS[name] : undefined;
}

/** What connection tracking called its settings before it was rewritten; undefined for any other name. */
export function renamedTo(name: string): string | undefined {
  return name.startsWith('ip_conntrack_') ? name.replace(/^ip_/, 'nf_') : undefined;
}

export function judgeRenamed(name: string): AdviceJudgement {
  const now = renamedTo(name) ?? name;
  return {
    verdict: 'gone',
    why: `An old name of ${now}. Under the new one as well it is about what the firewall remembers, and ends no socket.`,
    evidence: [
      measured(`there is no ${name} under /proc/sys`),
      documented('Documentation/networking/nf_conntrack-sysctl.rst', now),
    ],
    instead: [instead(`lastack explain ${now}`, 'what it governs here, and what it does not')],
    checkedBy: ['renamed-settings-are-gone'],
  };
}

export function judgeOtherSetting(name: string): AdviceJudgement {
  return {
    verdict: 'does-nothing',
    why: `It governs ${otherSetting(name)}. No state of a closing connection gets shorter or longer by it.`,
    evidence: [
      documented(
        'tcp(7); Documentation/networking/ip-sysctl.rst; Documentation/admin-guide/sysctl',
        `description of ${name}`,
      ),
    ],
    instead: [WHY_STUCK],
  };
}
