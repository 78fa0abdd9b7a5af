import { CLEAR_CLOSE_WAIT, documented, instead, measured, reasoned, WHY_STUCK } from '../evidence.ts';
import type { AdviceContext, AdviceItem, AdviceJudgement } from '../judgement.ts';

const BY_SIGNAL = instead(
  'lastack clear state close-wait pid 1581 --method signal --dry-run',
  'says first how many sockets the process holds, and which of them would stay as orphans',
);
const BY_RESTART = instead(
  'lastack clear state close-wait stuck --method restart --dry-run',
  'restarts exactly the systemd unit that holds them, and says how many sockets that frees',
);
const BY_ADDRESS = instead(
  'lastack clear --address 10.0.0.153 --dry-run',
  'everything bound to one local address, and nothing else',
);

/** Those that no process holds, or soon will not. */
const WITHOUT_PROCESS: ReadonlySet<string> = new Set(['FIN_WAIT1', 'TIME_WAIT', 'LAST_ACK', 'CLOSING']);

function killHard({ states }: AdviceContext): AdviceJudgement {
  const isUseless = states.length > 0 && states.every((state) => WITHOUT_PROCESS.has(state));
  return {
    verdict: isUseless ? 'does-nothing' : 'works-but',
    why: 'It closes what the process holds: a CLOSE_WAIT goes. It cannot end an orphan, since no process holds one, and it makes new ones: each connection with something undelivered becomes a FIN_WAIT1 or LAST_ACK of nobody. And the whole program is gone, which is much for one socket.',
    evidence: [
      measured('after kill -9 of its holder a connection with undelivered data went on as an orphan in FIN_WAIT1'),
      documented('signal(7)', 'SIGKILL cannot be caught: nothing is flushed or saved'),
    ],
    instead: [CLEAR_CLOSE_WAIT, BY_SIGNAL],
    checkedBy: ['kill-9-makes-orphans'],
  };
}

const RESTART_NETWORK_WHY =
  'It is an outage of the whole host, this login included. Sockets are not ended by it: an address that goes away and comes back finds them as they were. What it is hoped to do, clearing by local address does exactly.';
const LINK_EVIDENCE = [
  measured(
    'ESTABLISHED and FIN_WAIT1 were there, with the same cookies, after the link went down and up and after the address was removed and added',
  ),
];

export const PROCESS_ITEMS: readonly AdviceItem[] = [
  {
    id: 'kill-9',
    group: 'processes',
    title: 'kill -9 (SIGKILL) of the program',
    examples: [
      'kill -9 1581',
      'pkill -9 java',
      'kill -KILL $(pidof nginx)',
      'kill -9 to clear FIN_WAIT1',
      'fuser -k 8080/tcp',
    ],
    patterns: [
      /\b(?:p?kill|killall)\s+(?:-9|-s\s?9|-(?:s\s+)?(?:sig)?kill)\b[^\n;|&]{0,80}/g,
      /\bsigkill\b/g,
      /\bfuser\s+(?:-[a-z]{0,6}\s+){0,3}-[a-z]{0,6}k[^\n;|&]{0,60}/g,
    ],
    judge: killHard,
  },
  {
    id: 'kill-hup',
    group: 'processes',
    title: 'kill -HUP (SIGHUP) of the program',
    examples: ['kill -HUP 1581', 'kill -1 1581', 'killall -HUP nginx'],
    patterns: [/\b(?:p?kill|killall)\s+(?:-1|-s\s?1|-(?:s\s+)?(?:sig)?hup)\b[^\n;|&]{0,80}/g, /\bsighup\b/g],
    judge: {
      verdict: 'works-but',
      why: 'What it does is up to the program: some read their settings again and keep every connection, some start new workers and let the old ones finish, and one that did not ask for the signal is ended by it. No socket is closed by the signal itself.',
      evidence: [documented('signal(7)', 'the default action of SIGHUP is to end the process')],
      instead: [
        instead(
          'lastack clear state close-wait stuck --method signal --signal HUP --dry-run',
          'sends it to the holders, and looks whether the sockets went',
        ),
        CLEAR_CLOSE_WAIT,
      ],
    },
  },
  {
    id: 'kill',
    group: 'processes',
    title: 'kill (SIGTERM) of the program',
    examples: ['kill 1581', 'killall java', 'kill $(lsof -t -i:8080)', 'lsof -t -i:8080 | xargs kill'],
    patterns: [
      /\bkill\s+(?:-15\s+|-(?:sig)?term\s+)?(?:\$\([^\n)]{0,80}\)?|`[^\n`]{0,80}`?)/g,
      /(?:\blsof\b[^\n;|&]{0,80}\|\s{0,4})?\bxargs\s+(?:-r\s+)?kill\b(?!\s+-)/g,
      /\bkill\s+(?:-15\s|-(?:sig)?term\s)?\$?\(?\d[^\n;|&]{0,60}/g,
      /\b(?:pkill|killall)\s+(?:-15\s|-(?:sig)?term\s)?[a-z][\w.-]{0,60}/g,
    ],
    judge: {
      verdict: 'works-but',
      why: 'The program ends in order and closes what it holds. Orphans belong to nobody and stay, and what is not delivered by then becomes one.',
      evidence: [documented('signal(7)', 'SIGTERM can be caught: the program may save and close first')],
      instead: [BY_SIGNAL, CLEAR_CLOSE_WAIT],
    },
  },
  {
    id: 'restart-networking',
    group: 'processes',
    title: 'restarting the network of the host',
    examples: [
      'service networking restart',
      'systemctl restart networking',
      '/etc/init.d/network restart',
      'nmcli networking off',
    ],
    patterns: [
      /\bservice\s+(?:networking|network|networkmanager)\s+(?:force-)?(?:restart|reload|stop)\b/g,
      /\bsystemctl\s+(?:restart|reload|stop)\s+(?:networking|network|networkmanager|systemd-networkd)(?:\.service)?\b/g,
      /\/etc\/(?:rc\.d\/)?init\.d\/network(?:ing)?\s+(?:restart|stop)\b/g,
      /\brestart(?:ing)?\s+(?:the\s+)?network(?:ing)?\b/g,
      /\bnmcli\s+n(?:etworking)?\s+off\b/g,
    ],
    judge: {
      verdict: 'harmful',
      why: RESTART_NETWORK_WHY,
      evidence: LINK_EVIDENCE,
      instead: [BY_ADDRESS],
      checkedBy: ['link-down-keeps-sockets'],
    },
  },
  {
    id: 'ifdown-ifup',
    group: 'processes',
    title: 'taking the interface down and up',
    examples: ['ifdown eth0 && ifup eth0', 'ip link set eth0 down', 'ifconfig eth0 down'],
    patterns: [
      /\bifdown\b[^\n;|&]{0,40}(?:(?:;|&&)\s?ifup\b[^\n;|&]{0,40})?/g,
      /\bip\s+l(?:ink)?\s+set\s+(?:dev\s+)?[\w.@-]{1,30}\s+down\b/g,
      /\bifconfig\s+[\w.:-]{1,30}\s+down\b/g,
    ],
    judge: {
      verdict: 'harmful',
      why: 'Everything that uses the interface is cut off, this login perhaps for good. The sockets are still there afterwards: the kernel does not end connections because a link or an address goes away.',
      evidence: LINK_EVIDENCE,
      instead: [
        instead(
          'lastack clear --interface eth0 --dry-run',
          'everything bound to an address of this interface, and nothing else',
        ),
        BY_ADDRESS,
      ],
      checkedBy: ['link-down-keeps-sockets'],
    },
  },
  {
    id: 'reboot',
    group: 'processes',
    title: 'restarting the host',
    examples: ['reboot', 'shutdown -r now', 'systemctl reboot'],
    patterns: [/\breboot(?:ing)?\b/g, /\bshutdown\s+-[a-z]{0,4}r\b[^\n;|&]{0,30}/g, /\binit\s+6\b/g],
    judge: {
      verdict: 'works-but',
      why: 'No socket survives it, and nothing else does. The cause does: a program that forgets to close, a firewall that forgets connections. The other hosts keep their ends until they send something and are answered with a reset.',
      evidence: [reasoned('a socket is memory of a running kernel')],
      instead: [WHY_STUCK, CLEAR_CLOSE_WAIT],
    },
  },
  {
    id: 'restart-service',
    group: 'processes',
    title: 'restarting the program',
    examples: [
      'systemctl restart tomcat',
      'service httpd restart',
      'apachectl graceful',
      'docker restart web',
      'restart nginx',
    ],
    patterns: [
      /\bsystemctl\s+(?:restart|reload|try-restart)\s+[\w@.-]{1,60}/g,
      /\bservice\s+[\w@.-]{1,60}\s+(?:restart|reload)\b/g,
      /\/etc\/init\.d\/[\w.-]{1,60}\s+(?:restart|reload)\b/g,
      /\bapache(?:2)?ctl\s+[\w-]{1,20}/g,
      /\bdocker\s+restart\s+[\w.-]{1,60}/g,
      /^[ \t]{0,8}(?:sudo[ \t]+)?restart[ \t]+(?!(?:the|networking|network|host|machine|system|computer|now)\b)[\w@.-]{1,60}[ \t]{0,8}$/gm,
      /\brestart\s+(?:the\s+)?(?:program|service|application|server|app|jvm|process|daemon)\b/g,
    ],
    judge: {
      verdict: 'works-but',
      why: 'It closes what the program holds, so CLOSE_WAIT goes and grows again: the fault is in the program. Orphans and TIME_WAIT are not its any more and stay.',
      evidence: [measured('orphans in FIN_WAIT1 stayed after the end of the process that had opened them')],
      instead: [CLEAR_CLOSE_WAIT, BY_RESTART],
      checkedBy: ['kill-9-makes-orphans'],
    },
  },
  {
    id: 'cron-restart',
    group: 'processes',
    title: 'a cron job that restarts or kills something',
    examples: ['*/5 * * * * /usr/local/bin/restart-if-close-wait.sh', 'cron job that kills processes with CLOSE_WAIT'],
    patterns: [/(?:[\d*][\d*/,-]{0,20}\s){4}[\d*][\d*/,-]{0,20}(?=\s\S)/g, /\bcron(?:tab|job)?\b/g],
    judge: {
      verdict: 'works-but',
      why: 'It hides the growth, not the cause, and it acts on a count: a busy minute looks like a leak, and the process is hit whatever else it was doing.',
      evidence: [reasoned('a number of sockets does not say how long each has been there; lastack works that out')],
      instead: [
        instead(
          'lastack clear state close-wait stuck --older-than 10m --yes',
          'in the cron job: ends only those that are certainly stuck, and says in its exit code whether they are gone',
        ),
        instead('lastack ls state close-wait', 'shows which program leaks'),
      ],
    },
  },
];
