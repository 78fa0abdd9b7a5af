import {
  CLEAR_CLOSE_WAIT,
  CLEAR_FIN_WAIT_1,
  documented,
  instead,
  measured,
  PORT_PRESSURE,
  source,
} from '../evidence.ts';
import type { AdviceItem } from '../judgement.ts';

export const BELIEF_ITEMS: readonly AdviceItem[] = [
  {
    id: 'zero-window-for-ever',
    group: 'beliefs',
    title: 'belief: FIN_WAIT1 against a shut window lasts for ever',
    examples: ['a zero-window FIN_WAIT1 lasts for ever', 'FIN_WAIT1 with zero window never times out'],
    patterns: [
      /\bzero[\s-]?window\b(?:[^\n.]{0,80}\b(?:for\s?ever|never|infinite(?:ly)?)\b)?/g,
      /\bfin[\s_-]?wait[\s_-]?1\b[^\n.]{0,80}\b(?:lasts?\s+for\s?ever|never\s+(?:ends?|times?\s+out|goes))\b/g,
    ],
    judge: {
      verdict: 'works-but',
      why: 'True only while a program holds the socket and the peer answers the probes. An orphan is given up when the probe interval has reached its maximum (about 340 s with the defaults), answered or not; unanswered probes are counted in both cases.',
      evidence: [
        measured(
          'orphan, answered: gone after 339 s; held, answered: still there after 1150 s',
          'lastack lab run fin-wait-1-zero-window-orphan',
        ),
        source('net/ipv4/tcp_timer.c, tcp_probe_timer', 'an orphan counts as dead once its interval is the maximum'),
      ],
      instead: [instead('lastack explain fin-wait-1', "with this host's own times"), CLEAR_FIN_WAIT_1],
      checkedBy: ['zero-window-orphan-ends-held-stays'],
    },
    settings: ['tcp_orphan_retries', 'tcp_retries2', 'tcp_rto_max_ms'],
  },
  {
    id: 'orphan-retries-8',
    group: 'beliefs',
    title: 'belief: the default of tcp_orphan_retries is 8',
    examples: ['tcp_orphan_retries default is 8', 'default value of tcp_orphan_retries is 7'],
    patterns: [
      /\btcp_orphan_retries\b[^\n.]{0,40}\bdefaults?\b[^\n.]{0,20}?\b[78]\b/g,
      /\bdefaults?\b[^\n.]{0,30}\btcp_orphan_retries\b[^\n.]{0,20}?\b[78]\b/g,
    ],
    judge: {
      verdict: 'works-but',
      why: 'It reads 0, which acts as 8, but only while the interval is below its maximum. Writing 8 is therefore not the same as leaving 0.',
      evidence: [
        measured('a new network namespace reads 0; FIN_WAIT1 of an orphan then lasts 102 to 205 s'),
        source('net/ipv4/tcp_timer.c, tcp_orphan_retries', '0 becomes 8 while the peer counts as alive'),
      ],
      instead: [instead('lastack explain tcp_orphan_retries', 'what it governs, and its value here')],
      checkedBy: ['orphan-retries-reads-0'],
    },
    settings: ['tcp_orphan_retries'],
  },
  {
    id: 'close-wait-timeout',
    group: 'beliefs',
    title: 'belief: CLOSE_WAIT has a time-out',
    examples: ['CLOSE_WAIT timeout', 'reduce the CLOSE_WAIT timeout', 'CLOSE_WAIT goes away after 60 seconds'],
    patterns: [
      /\bclose[\s_-]?wait\b[^\n.]{0,30}\btime-?out\b/g,
      /\btime-?out\b[^\n.]{0,20}\bclose[\s_-]?wait\b/g,
      /\bclose[\s_-]?wait\b[^\n.]{0,30}\b(?:goes\s+away|expires?|times?\s+out)\b[^\n.]{0,30}/g,
    ],
    judge: {
      verdict: 'does-nothing',
      why: 'No timer runs in CLOSE_WAIT and no setting ends it: it waits for the program here to close its socket. What has a time-out of that name is the entry of connection tracking, which is not the socket.',
      evidence: [
        measured(
          'a CLOSE_WAIT has no timer in ss -o',
          'lastack lab run close-wait-close-forgotten -- ss -tano state close-wait',
        ),
        documented('RFC 9293, 3.3.2', 'CLOSE-WAIT waits for a close from the local user'),
      ],
      instead: [CLEAR_CLOSE_WAIT, instead('lastack ls state close-wait', 'shows which program holds them')],
      checkedBy: ['close-wait-has-no-timer'],
    },
  },
  {
    id: 'time-wait-2msl',
    group: 'beliefs',
    title: 'belief: TIME_WAIT lasts 2 MSL, or can be tuned',
    examples: ['TIME_WAIT lasts 2MSL, four minutes', 'reduce the TIME_WAIT timeout'],
    patterns: [
      /\btime[\s_-]?wait\b[^\n.]{0,40}\b2\s?\*?\s?msl\b[^\n.]{0,30}/g,
      /\b2\s?\*?\s?msl\b/g,
      /\btime[\s_-]?wait\b[^\n.]{0,30}\b(?:time-?out|interval)\b/g,
      /\btime-?out\b[^\n.]{0,20}\btime[\s_-]?wait\b/g,
    ],
    judge: {
      verdict: 'does-nothing',
      why: 'On Linux it is a constant of 60 s. No setting changes it, tcp_fin_timeout neither. It is normal and cheap; what may run short are ports towards one destination.',
      evidence: [
        measured(
          'gone after 61.6 s whatever tcp_fin_timeout was',
          'lastack lab run time-wait-port-pressure -- ss -tano state time-wait',
        ),
        source('include/net/tcp.h', 'TCP_TIMEWAIT_LEN is (60*HZ)'),
      ],
      instead: [PORT_PRESSURE, instead('lastack explain time-wait', 'what it is for')],
      checkedBy: ['fin-timeout-leaves-time-wait'],
    },
  },
];
