import { CLEAR_CLOSE_WAIT, documented, instead, measured, PORT_IN_USE, source } from '../evidence.ts';
import type { AdviceContext, AdviceItem, AdviceJudgement } from '../judgement.ts';

const RETUNE_KEEPALIVE = instead(
  'lastack retune state established --keepalive 60/10/6 --dry-run',
  'asks for keepalive on live sockets of programs that never did',
);
const RETUNE_USER_TIMEOUT = instead(
  'lastack retune state established --user-timeout 30s --dry-run',
  'sets it on live sockets of a running program',
);

const MAN_SOCKET = 'socket(7)';
const MAN_TCP = 'tcp(7)';

function linger({ value }: AdviceContext): AdviceJudgement {
  const seconds = /^\{?\s*\d+\s*,\s*(\d+)/.exec(value ?? '')?.[1] ?? /(\d+)/.exec(value ?? '')?.[1];
  const isOff = /^\{?\s*(?:0\s*,|\.?l_onoff\s*=\s*0)/.test(value ?? '');
  if (isOff) {
    return {
      verdict: 'does-nothing',
      why: 'l_onoff 0 is what every socket has anyway: close() returns at once and the kernel delivers what is left.',
      evidence: [documented(MAN_SOCKET, 'SO_LINGER')],
      instead: [CLEAR_CLOSE_WAIT],
    };
  }
  if (seconds !== undefined && Number(seconds) > 0) {
    return {
      verdict: 'works-but',
      why: `close() then waits up to ${seconds} s until everything is acknowledged, and returns. It makes the program wait, not the connection end sooner: what is not delivered by then goes on as an orphan.`,
      evidence: [
        documented(MAN_SOCKET, 'SO_LINGER'),
        source('net/core/sock.c, net/ipv4/tcp.c', 'the wait is in close() only'),
      ],
      instead: [RETUNE_USER_TIMEOUT],
    };
  }
  return {
    verdict: 'harmful',
    why: `${value === undefined ? 'With a time of 0, which is what people recommend, ' : ''}close() then throws away everything that is not yet delivered and sends a reset: there is no FIN_WAIT1 and no TIME_WAIT because there was no orderly end. The peer gets ECONNRESET and may lose even what it had received and not yet read.`,
    evidence: [
      measured(
        'of 841,344 bytes written the peer got 127,480 and ECONNRESET; with an ordinary close() it got all of them',
      ),
      source('net/ipv4/tcp.c, __tcp_close', 'a linger time of 0 disconnects: queues purged, reset sent'),
    ],
    instead: [
      instead('lastack clear state fin-wait-1 stuck --dry-run', 'ends only the connections that are stuck'),
      RETUNE_USER_TIMEOUT,
    ],
    checkedBy: ['linger-zero-loses-data'],
  };
}

const KEEPALIVE_EVIDENCE = [
  measured('idle ESTABLISHED with 1 s, 1 s and 2 probes: gone after 3 s once the peer was unreachable'),
  measured('FIN_WAIT1 of an orphan: 109 s with keepalive, 107 s without'),
  source('net/ipv4/tcp_timer.c, tcp_keepalive_timer', 'while anything is in flight it only puts itself off'),
];

function keepalive({ states }: AdviceContext): AdviceJudgement {
  const inFlight = states.some((state) => state === 'FIN_WAIT1' || state === 'LAST_ACK' || state === 'CLOSING');
  const nothing = inFlight || states.some((state) => state === 'TIME_WAIT');
  return {
    verdict: nothing ? 'does-nothing' : 'works-but',
    why: inFlight
      ? 'The keepalive timer stands back while anything is in flight, and in FIN_WAIT1, LAST_ACK and CLOSING a FIN is: the retransmission timer decides there.'
      : 'It notices a peer that has vanished from an idle connection (ESTABLISHED, CLOSE_WAIT, a held FIN_WAIT2), after the idle time and all its probes. A peer whose kernel answers keeps the connection for ever, so a CLOSE_WAIT that the program forgot stays; and while data or a FIN is in flight keepalive stands back.',
    evidence: KEEPALIVE_EVIDENCE,
    instead: [RETUNE_KEEPALIVE, instead('lastack explain close-wait', 'what ends each state, and what does not')],
    checkedBy: ['keepalive-ends-idle-not-fin-wait-1'],
  };
}

export const OPTION_ITEMS: readonly AdviceItem[] = [
  {
    id: 'so-linger',
    group: 'options',
    title: 'SO_LINGER',
    examples: [
      'setsockopt(fd, SOL_SOCKET, SO_LINGER, {1, 0})',
      'SO_LINGER 0',
      'SO_LINGER {1,30}',
      'setSoLinger(true, 0)',
    ],
    patterns: [
      /\bso_linger\b[\s,=:&()]{0,8}(?:struct linger\)?\s?)?(?<value>\{[^}\n]{1,60}\}?|\d{1,6}(?:\s?,\s?\d{1,6})?)?/g,
      /\bset_?so_?linger\s?\((?<value>[^)\n]{1,40})\)?/g,
      /\bl_linger\s?=\s?(?<value>\d{1,6})/g,
    ],
    judge: linger,
  },
  {
    id: 'so-reuseaddr',
    group: 'options',
    title: 'SO_REUSEADDR',
    examples: ['SO_REUSEADDR', 'setReuseAddress(true)'],
    patterns: [/\bso_reuseaddr\b/g, /\b(?:set)?reuse_?addr(?:ess)?\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It lets a listener bind its port although old connections of it are in TIME_WAIT, if the listener of those had set it too: every server should, before bind(). It closes nothing: the old sockets stay for their 60 s, and a port on which someone still listens stays taken.',
      evidence: [
        measured(
          'bind() gave EADDRINUSE without it and succeeded with it; the TIME_WAIT was there before and after. Where the old listener had not set it, EADDRINUSE with it as well',
        ),
        documented(MAN_SOCKET, 'SO_REUSEADDR'),
      ],
      instead: [
        PORT_IN_USE,
        instead('lastack clear state time-wait sport = :8080 --dry-run', 'if the old sockets really must go'),
      ],
      checkedBy: ['reuseaddr-binds-and-closes-nothing'],
    },
  },
  {
    id: 'so-reuseport',
    group: 'options',
    title: 'SO_REUSEPORT',
    examples: ['SO_REUSEPORT'],
    patterns: [/\bso_reuseport\b/g, /\breuse_?port\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It lets several sockets listen on one port side by side, if every one of them set it and they belong to one user. It is for sharing load, not for getting rid of something: no old socket is closed, and a listener that did not set it keeps the port to itself.',
      evidence: [
        measured('two listeners with it share the port; beside one without it bind() gives EADDRINUSE'),
        documented(MAN_SOCKET, 'SO_REUSEPORT'),
      ],
      instead: [PORT_IN_USE],
      checkedBy: ['reuseport-shares-and-closes-nothing'],
    },
  },
  {
    id: 'so-keepalive',
    group: 'options',
    title: 'SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT',
    examples: ['SO_KEEPALIVE', 'TCP_KEEPIDLE 60', 'enable keepalive', 'LD_PRELOAD=libkeepalive.so'],
    patterns: [
      /\bso_keepalive\b/g,
      /\btcp_keep(?:idle|intvl|cnt|alive)\b(?![\s=,:]{1,4}\d{1,9}\s+\/)/g,
      /\bset_?keep_?alive\b/g,
      /\b(?:tcp[\s-]+)?keep-?alives?\b(?!_)/g,
      /\blibkeepalive\b|\blibdontdie\b/g,
    ],
    judge: keepalive,
    settings: ['tcp_keepalive_time', 'tcp_keepalive_intvl', 'tcp_keepalive_probes'],
  },
  {
    id: 'tcp-user-timeout',
    group: 'options',
    title: 'TCP_USER_TIMEOUT',
    examples: ['TCP_USER_TIMEOUT', 'setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000)'],
    patterns: [/\btcp_user_timeout\b/g, /\btcp_?usertimeout\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It bounds how long sent data or a FIN may stay unacknowledged, in milliseconds, also in FIN_WAIT1 and also once the program is gone; a window that stays shut counts too. On an idle connection it does nothing by itself, and a timer that is already running is not shortened.',
      evidence: [
        measured('FIN_WAIT1 of an orphan with 2000 ms: gone within a few seconds instead of 102 s and more'),
        documented(MAN_TCP, 'TCP_USER_TIMEOUT'),
        documented('RFC 5482', 'TCP user timeout option'),
      ],
      instead: [RETUNE_USER_TIMEOUT],
      checkedBy: ['user-timeout-ends-fin-wait-1'],
    },
  },
  {
    id: 'tcp-linger2',
    group: 'options',
    title: 'TCP_LINGER2',
    examples: ['TCP_LINGER2 5'],
    patterns: [/\btcp_linger2\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It is tcp_fin_timeout for one socket: how long FIN_WAIT2 may last after the program has closed. It does not touch FIN_WAIT1 or TIME_WAIT, and above 60 the same surprise holds: the wait is 2 x (T - 60) s. A negative value means no FIN_WAIT2 at all, at the price of a reset for what the peer still sends.',
      evidence: [measured('5 gave 5.3 s; 61 gave about 2 s'), documented(MAN_TCP, 'TCP_LINGER2')],
      instead: [
        instead(
          'lastack retune state established --linger2 10 --dry-run',
          'sets it on live sockets of a running program',
        ),
      ],
      checkedBy: ['linger2-bounds-fin-wait-2'],
    },
    settings: ['tcp_fin_timeout'],
  },
  {
    id: 'so-timeouts',
    group: 'options',
    title: 'SO_RCVTIMEO, SO_SNDTIMEO',
    examples: ['SO_RCVTIMEO', 'setSoTimeout(30000)'],
    patterns: [/\bso_(?:rcv|snd)timeo\b/g, /\bset_?so_?timeout\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It wakes the program: recv() or send() gives EAGAIN after that time. The connection is as it was; it ends only if the program then closes it.',
      evidence: [documented(MAN_SOCKET, 'SO_RCVTIMEO and SO_SNDTIMEO')],
      instead: [RETUNE_USER_TIMEOUT, CLEAR_CLOSE_WAIT],
    },
  },
  {
    id: 'tcp-nodelay',
    group: 'options',
    title: 'TCP_NODELAY',
    examples: ['TCP_NODELAY'],
    patterns: [/\btcp_nodelay\b/g],
    judge: {
      verdict: 'does-nothing',
      why: 'It is about when small segments are sent. No closing state waits for that.',
      evidence: [documented(MAN_TCP, 'TCP_NODELAY')],
      instead: [instead('lastack', 'says which connections are stuck, why, and when each goes by itself')],
    },
  },
  {
    id: 'shutdown-call',
    group: 'options',
    title: 'shutdown() instead of close()',
    examples: ['shutdown(fd, SHUT_RDWR)', 'shutdown(SHUT_WR)'],
    patterns: [/\bshutdown\s?\([^)\n]{0,60}\)/g, /\bshut_(?:rd)?wr\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It sends the FIN, also when other processes hold a copy of the descriptor. But the descriptor stays: a held FIN_WAIT2 has no timer and waits for the peer for ever. close() is still needed.',
      evidence: [
        measured(
          'FIN_WAIT2 after shutdown() stays as long as the program holds the descriptor',
          'lastack lab run fin-wait-2-held',
        ),
        documented('shutdown(2)', 'what each direction means'),
      ],
      instead: [
        instead(
          'lastack clear state close-wait stuck --method close-gracefully --dry-run',
          'does it to a running program, without stopping it',
        ),
      ],
      checkedBy: ['gdb-close-is-not-needed'],
    },
  },
];
