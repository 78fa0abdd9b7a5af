import { CLEAR_FIN_WAIT_1, documented, instead, measured, source } from '../evidence.ts';
import type { AdviceItem } from '../judgement.ts';

const BLOCK_REJECT = instead(
  'lastack block add 10.0.0.153:4000-10.0.2.46:2572 --reject --for 10m',
  'answers this one connection with a reset, and removes itself',
);

const drop: AdviceItem = {
  id: 'firewall-drop',
  group: 'firewall',
  title: 'a firewall rule that drops the packets of a connection',
  examples: [
    'iptables -A INPUT -s 10.0.2.46 -j DROP',
    'nft add rule inet filter input ip saddr 10.0.2.46 drop',
    'ufw deny from 10.0.2.46',
    "firewall-cmd --add-rich-rule='rule family=ipv4 source address=10.0.2.46 drop'",
  ],
  patterns: [
    /\bip6?tables\b[^\n;|&]{0,200}?\s-j\s+drop\b/g,
    /\bnft\b[^\n;|&]{0,200}?\bdrop\b/g,
    /\bufw\s+(?:insert\s+\d+\s+)?deny\b[^\n;|&]{0,80}/g,
    /\bfirewall-cmd\b[^\n;|&]{0,200}?\bdrop\b/g,
  ],
  judge: {
    verdict: 'harmful',
    why: 'It throws away the very packets that would end the connection: an acknowledgement, or the reset of a peer that no longer knows it. The socket here then lasts its full time-out instead of less than a second, the other end as well.',
    evidence: [
      measured(
        'where the peer had lost its socket, FIN_WAIT1 ended after 0.5 s without the rule and after 105.9 s with it',
        'lastack lab run fin-wait-1-blackhole-path-orphan',
      ),
      documented(
        'RFC 9293, 3.10.7.1',
        'a host that has no such connection answers with a reset, which ends the other end',
      ),
    ],
    instead: [CLEAR_FIN_WAIT_1, BLOCK_REJECT],
    checkedBy: ['drop-makes-it-last'],
  },
};

const reset: AdviceItem = {
  id: 'firewall-tcp-reset',
  group: 'firewall',
  title: 'a firewall rule that answers with a TCP reset',
  examples: [
    'iptables -A OUTPUT -p tcp -d 10.0.2.46 -j REJECT --reject-with tcp-reset',
    'nft add rule inet filter output ip daddr 10.0.2.46 tcp dport 2572 reject with tcp reset',
  ],
  patterns: [
    /\bip6?tables\b[^\n;|&]{0,200}?\s-j\s+reject\s+--reject-with[\s=]+tcp-reset\b/g,
    /\bnft\b[^\n;|&]{0,200}?\breject\s+with\s+tcp\s+reset\b/g,
    /\breject\s+with\s+tcp[\s-]reset\b/g,
    /--reject-with[\s=]+tcp-reset\b/g,
  ],
  judge: {
    verdict: 'works-but',
    why: 'On OUTPUT the reset goes to the local socket, as soon as that sends something; the peer hears of nothing. A socket that sends nothing (an idle CLOSE_WAIT) is never reached. On INPUT the reset goes to the peer, and the local socket stays. And the rule stays until somebody removes it.',
    evidence: [
      measured('on OUTPUT the local FIN_WAIT1 was gone after 0.2 s; the end at the peer was still ESTABLISHED'),
    ],
    instead: [BLOCK_REJECT, CLEAR_FIN_WAIT_1],
    checkedBy: ['tcp-reset-on-output-clears-here-only'],
  },
};

const icmp: AdviceItem = {
  id: 'firewall-reject-icmp',
  group: 'firewall',
  title: 'a firewall rule that answers with an ICMP error',
  examples: ['iptables -A OUTPUT -d 10.0.2.46 -j REJECT', 'nft add rule inet filter output ip daddr 10.0.2.46 reject'],
  patterns: [
    /\bip6?tables\b[^\n;|&]{0,200}?\s-j\s+reject\b(?!\s+--reject-with[\s=]+tcp)/g,
    /\bnft\b[^\n;|&]{0,200}?\breject\b(?!\s+with\s+tcp)/g,
    /\bufw\s+reject\b[^\n;|&]{0,80}/g,
  ],
  judge: {
    verdict: 'does-nothing',
    why: 'An ICMP error is only a hint to a connection that once stood: it is remembered for the error message and ends nothing. Only a TCP reset would.',
    evidence: [
      measured('with such a rule on OUTPUT, FIN_WAIT1 stayed and went on retransmitting'),
      documented(
        'RFC 1122, 4.2.3.9',
        'ICMP "destination unreachable" is a soft error and must not abort the connection',
      ),
    ],
    instead: [CLEAR_FIN_WAIT_1, BLOCK_REJECT],
    checkedBy: ['icmp-reject-ends-nothing'],
  },
};

const nfWrite: AdviceItem = {
  id: 'write-nf-conntrack',
  group: 'firewall',
  title: 'writing to /proc/net/nf_conntrack',
  examples: ["echo 'ipv4 2 tcp 6 ...' > /proc/net/nf_conntrack", 'echo > /proc/net/ip_conntrack'],
  patterns: [
    /\becho\b[^\n;|&]{0,300}?>{1,2}\s*\/proc\/net\/(?:nf|ip)_conntrack\b/g,
    /\btee\s+(?:-a\s+)?\/proc\/net\/(?:nf|ip)_conntrack\b/g,
    />{1,2}\s*\/proc\/net\/(?:nf|ip)_conntrack\b/g,
    /\/proc\/net\/(?:nf|ip)_conntrack\b/g,
  ],
  judge: {
    verdict: 'does-nothing',
    why: 'The file can only be read: its mode is 0440, and opening it for writing fails with EACCES, for root as well. And an entry of connection tracking is not the socket: taking it away would not close anything.',
    evidence: [
      measured('mode 0440; opening it for writing fails, as root too'),
      source('net/netfilter/nf_conntrack_standalone.c', 'the file has functions to read, and none to write'),
    ],
    instead: [
      instead('lastack clear TARGET --method conntrack --dry-run', 'deletes one entry, never the whole table'),
      CLEAR_FIN_WAIT_1,
    ],
    checkedBy: ['nf-conntrack-is-read-only'],
  },
};

const deleteEntry: AdviceItem = {
  id: 'conntrack-delete',
  group: 'firewall',
  title: 'deleting an entry of connection tracking',
  examples: ['conntrack -D -s 10.0.2.46', 'conntrack --delete -p tcp --dport 2572'],
  patterns: [/\bconntrack\s[^\n;|&]{0,160}?(?:-d\b|--delete\b)[^\n;|&]{0,160}/g],
  judge: {
    verdict: 'does-nothing',
    why: 'It takes away what the firewall remembers and never touches a socket. Behind a firewall that lets new connections begin only with a SYN it makes things worse: the FIN is then dropped, one end stays in FIN_WAIT1 and the other ESTABLISHED.',
    evidence: [
      measured(
        'after conntrack -D both sockets were there as before, with the same cookie',
        'lastack lab run conntrack-missing',
      ),
      source('net/netfilter/nf_conntrack_netlink.c', 'deleting an entry knows nothing of sockets'),
    ],
    instead: [
      instead('lastack ls --conntrack', "shows the firewall's entry beside each socket"),
      instead('lastack clear TARGET --dry-run', 'ends the socket itself'),
    ],
    checkedBy: ['conntrack-delete-leaves-the-socket'],
  },
};

const flush: AdviceItem = {
  id: 'conntrack-flush',
  group: 'firewall',
  title: 'emptying the table of connection tracking',
  examples: ['conntrack -F', 'conntrack --flush'],
  patterns: [/\bconntrack\s+(?:-f\b|--flush\b)/g],
  judge: {
    verdict: 'harmful',
    why: 'It ends no socket, and the firewall forgets every connection of the host at once: those behind NAT lose their translation, and where only a SYN may begin a connection all others are cut.',
    evidence: [
      measured('after conntrack -F the sockets were there as before, with the same cookie'),
      measured(
        'a router whose entry was gone dropped the FIN: FIN_WAIT1 on one end, ESTABLISHED on the other',
        'lastack lab run conntrack-missing',
      ),
    ],
    instead: [instead('lastack clear TARGET --method conntrack --dry-run', 'deletes one entry, never the whole table')],
    checkedBy: ['conntrack-delete-leaves-the-socket'],
  },
};

export const FIREWALL_ITEMS: readonly AdviceItem[] = [drop, reset, icmp, deleteEntry, flush, nfWrite];
