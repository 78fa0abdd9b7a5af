import {
  CLEAR_CLOSE_WAIT,
  CLEAR_FIN_WAIT_1,
  documented,
  instead,
  measured,
  PORT_IN_USE,
  reasoned,
  source,
  WHY_STUCK,
} from '../evidence.ts';
import type { AdviceContext, AdviceItem, AdviceJudgement } from '../judgement.ts';

const CLEAR_TARGET = instead(
  'lastack clear 10.0.0.153:4000-10.0.2.46:2572 --dry-run',
  'shows what would end it, at which price',
);
const RESET = instead(
  'lastack clear TARGET --method reset --dry-run',
  'the same mechanism for one socket of this host, found by its cookie and looked at again afterwards',
);
const RESET_PATH = instead('lastack clear TARGET --method reset-path --dry-run', 'from a router, in both directions');

function ssKill({ value }: AdviceContext): AdviceJudgement {
  const isAll = (value ?? '').replaceAll(/(?:^|\s)-[^\s]*/g, '').trim() === '';
  return {
    verdict: isAll ? 'harmful' : 'works-but',
    why: `${
      isAll ? 'Without a filter it ends every connection of the namespace, this login included. ' : ''
    }It asks the kernel to drop the sockets (SOCK_DESTROY), where the kernel was built with that. It never says whether it did: the exit code is 0 when nothing matched, when it was not permitted and when the kernel cannot. There is no dry run. In CLOSE_WAIT it hides the descriptor that the program leaks; and on kernels from 4.19 to 6.8 without the fix it makes orphans immortal.`,
    evidence: [
      measured('exit code 0 on a filter that matched nothing', 'ss -K dst 192.0.2.1; echo $?'),
      source('iproute2 misc/ss.c', 'an answer of EOPNOTSUPP or EPERM does not reach the exit code'),
      source(
        'net/ipv4/tcp.c, tcp_abort, before commit bac76cf89816',
        'of an orphan it purges the queue and leaves it without a timer',
      ),
    ],
    instead: [CLEAR_FIN_WAIT_1, CLEAR_TARGET],
    checkedBy: ['ss-kill-hides-failure'],
  };
}

function tcpkill({ states }: AdviceContext): AdviceJudgement {
  return {
    verdict: states.length > 0 ? 'does-nothing' : 'works-but',
    why: 'It waits for a packet of the connection and answers it with resets, and it ignores packets with SYN, FIN or RST. A stuck connection sends nothing else, or nothing at all (CLOSE_WAIT), so it waits for ever. It works on connections that are busy, which are rarely the ones to be ended.',
    evidence: [
      source('dsniff tcpkill.c', 'the capture callback returns on SYN, FIN and RST'),
      measured('an idle CLOSE_WAIT was never touched'),
    ],
    instead: [RESET, RESET_PATH],
  };
}

export const TOOL_ITEMS: readonly AdviceItem[] = [
  {
    id: 'ss-kill',
    group: 'tools',
    title: 'ss -K (SOCK_DESTROY)',
    examples: ['ss -K dst 10.0.2.46 dport = 2572', 'ss -tnK', 'ss --kill state close-wait'],
    // The `(?=...)` wants the option to be there; what is captured is the whole rest.
    patterns: [/\bss\s+(?=(?:[^\n;|&]{0,80}\s)?(?:-[a-jl-z0-9]{0,10}k|--kill\b))(?<value>[^\n;|&]{0,200})/g],
    judge: ssKill,
    needsSockDestroy: true,
  },
  {
    id: 'killcx',
    group: 'tools',
    title: 'killcx (a spoofed SYN, its challenge ACK, and a reset)',
    examples: ['killcx 10.0.2.46:2572 eth0'],
    patterns: [/\bkillcx\b[^\n;|&]{0,80}/g],
    judge: {
      verdict: 'works-but',
      why: 'The mechanism works without any help of the kernel, in every state with a full socket. The program wants a chain of Perl modules and the right interface, does not look whether the socket is gone, and does nothing in SYN_SENT.',
      evidence: [
        measured(
          'ESTABLISHED, CLOSE_WAIT, FIN_WAIT1, FIN_WAIT2, CLOSING and LAST_ACK ended; TIME_WAIT with tcp_rfc1337 0',
        ),
        documented(
          'RFC 5961, 4',
          'a SYN on an existing connection is answered with a challenge ACK, which tells the exact number',
        ),
      ],
      instead: [RESET],
      checkedBy: ['reset-needs-no-sock-destroy'],
    },
  },
  {
    id: 'cutter',
    group: 'tools',
    title: 'cutter (resets in both directions, from a router)',
    examples: ['cutter 10.0.2.46 2572'],
    patterns: [/\bcutter\s+\d[^\n;|&]{0,80}/g, /^\s?(?:sudo\s)?cutter\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It works on a router, for IPv4 and for connections that its connection tracking calls ESTABLISHED. Stuck connections have mostly left that, and on the host itself it is the wrong tool.',
      evidence: [source('cutter.c', 'it reads /proc/net/ip_conntrack and takes ESTABLISHED only')],
      instead: [RESET_PATH, RESET],
    },
  },
  {
    id: 'tcpkill',
    group: 'tools',
    title: 'tcpkill (resets in answer to captured packets)',
    examples: ['tcpkill -i eth0 host 10.0.2.46', 'tcpkill port 2572 to end CLOSE_WAIT'],
    patterns: [/\btcpkill\b/g],
    judge: tcpkill,
  },
  {
    id: 'gdb-close',
    group: 'tools',
    title: 'gdb: call close() inside the program',
    examples: ["gdb -p 1581 -batch -ex 'call close(7)'", 'gdb -p 1581 ... call shutdown(7,2)'],
    patterns: [
      /\bgdb\b[^\n]{0,200}?\b(?:call|print|p)\s[^\n]{0,40}?\b(?:close|shutdown)\s?\((?:[^\n()]{0,20}\))?/g,
      /\bcall\s(?:\(int\)\s?)?close\s?\((?:[^\n()]{0,20}\))?/g,
    ],
    judge: {
      verdict: 'harmful',
      why: 'It stops the program, runs a call inside it that it knows nothing of, and frees a descriptor number that the program still believes to be its connection: the next file or connection gets that number, and is then read, written or closed by mistake. An interrupted system call can break the program. A copy in a forked child keeps the connection open.',
      evidence: [
        measured("a trial broke off the program's sleep"),
        measured('shutdown on a duplicate of the descriptor (pidfd_getfd) sent the same FIN while the program ran on'),
        documented('pidfd_getfd(2)', 'a duplicate of a descriptor of another process'),
      ],
      instead: [
        instead(
          'lastack clear pid:1581 fd:7 --method close-gracefully --dry-run',
          'sends the same FIN without stopping the program',
        ),
        CLEAR_CLOSE_WAIT,
      ],
      checkedBy: ['gdb-close-is-not-needed'],
    },
  },
  {
    id: 'route-flush-cache',
    group: 'tools',
    title: 'flushing the route cache',
    examples: ['ip route flush cache', 'echo 1 > /proc/sys/net/ipv4/route/flush', 'sysctl -w net.ipv4.route.flush=1'],
    patterns: [
      /\bip\s+(?:-[46]\s+)?r(?:o|ou|out|oute)?\s+flush\s+(?:table\s+)?cache\b/g,
      /\/proc\/sys\/net\/ipv[46]\/route\/flush\b/g,
      /\bnet[./]ipv[46][./]route[./]flush\b/g,
    ],
    judge: {
      verdict: 'does-nothing',
      why: 'Nothing happens to a socket: the next packet looks its route up again and goes the same way. And the cache that the advice is about is gone since Linux 3.6.',
      evidence: [
        measured('the command succeeds; a FIN_WAIT1 goes on with the same timer and the same cookie'),
        documented('ip-route(8)', 'the IPv4 route cache was removed in Linux 3.6'),
      ],
      instead: [CLEAR_FIN_WAIT_1],
      checkedBy: ['route-flush-does-nothing'],
    },
  },
  {
    id: 'drop-caches',
    group: 'tools',
    title: 'dropping the page cache',
    examples: ['echo 3 > /proc/sys/vm/drop_caches'],
    patterns: [/\bdrop_caches\b/g],
    judge: {
      verdict: 'does-nothing',
      why: 'It drops cached files, directory entries and inodes of files. Sockets are no cache, and their memory is not in it.',
      evidence: [documented('Documentation/admin-guide/sysctl/vm.rst', 'drop_caches')],
      instead: [WHY_STUCK],
    },
  },
  {
    id: 'netstat',
    group: 'tools',
    title: 'netstat, to find whose connection it is',
    examples: ['netstat -tulnap | grep FIN_WAIT1', 'netstat shows - instead of a PID'],
    patterns: [/\bnetstat\b[^\n;|&]{0,80}/g],
    judge: {
      verdict: 'works-but',
      why: 'It shows the states and ends nothing. Where it prints `-` for the program it hides three different things: an orphan that nobody holds any more, a connection that waits in an accept queue, and a process that one may not look at. It sees one network namespace only.',
      evidence: [
        measured(
          'an orphan in FIN_WAIT1 has no program in any list',
          'lastack lab run fin-wait-1-blackhole-orphan -- ss -tanp',
        ),
        measured(
          'CLOSE_WAIT with inode 0 is not accepted yet',
          'lastack lab run close-wait-unaccepted -- ss -tane state close-wait',
        ),
      ],
      instead: [
        instead('lastack ls state fin-wait-1', 'says OWNER, orphan or unaccepted, and when each ends'),
        WHY_STUCK,
      ],
      checkedBy: ['orphans-have-no-program'],
    },
  },
  {
    id: 'lsof',
    group: 'tools',
    title: 'lsof, to find whose connection it is',
    examples: ['lsof -i :8080', 'lsof -nP -iTCP -sTCP:CLOSE_WAIT'],
    patterns: [/\blsof\b[^\n;|&]{0,80}/g],
    judge: {
      verdict: 'works-but',
      why: 'It lists what processes hold, so orphans, connections in an accept queue and TIME_WAIT are not in it at all: an empty answer does not mean that the port is free.',
      evidence: [
        measured(
          'an orphan in FIN_WAIT1 has no program in any list',
          'lastack lab run fin-wait-1-blackhole-orphan -- ss -tanp',
        ),
      ],
      instead: [PORT_IN_USE, instead('lastack ls state close-wait', 'with the OWNER of each')],
      checkedBy: ['orphans-have-no-program'],
    },
  },
  {
    id: 'ulimit',
    group: 'tools',
    title: 'raising the limit of open files',
    examples: ['ulimit -n 65535', 'fs.file-max = 2097152', 'LimitNOFILE=65535'],
    patterns: [
      /\bulimit\s+-[a-z]{0,4}n\b[^\n;|&]{0,40}/g,
      /\blimitnofile\b/g,
      /\bfs[./]file-max\b/g,
      /\bfs[./]nr_open\b/g,
    ],
    judge: {
      verdict: 'does-nothing',
      why: 'It ends no connection. A program that forgets its descriptors forgets more of them until the new limit is reached: CLOSE_WAIT grows for longer.',
      evidence: [reasoned('a limit bounds how many descriptors there may be, not how long each lives')],
      instead: [instead('lastack ls state close-wait', 'shows who holds them'), CLEAR_CLOSE_WAIT],
    },
  },
];
