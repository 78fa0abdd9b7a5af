import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KERNEL_SETTINGS, sysctlName } from '../settings/catalogue.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { MAX_ADVICE_LENGTH } from './advice_text.ts';
import { allAdvice } from './all_advice.ts';
import { FOREIGN_SETTINGS } from './foreign/judge_foreign.ts';
import { ADVICE_ITEMS } from './items/mod.ts';
import { judgeAdvice } from './judge_advice.ts';
import { nearestAdvice } from './nearest_advice.ts';
import { settingVerdict } from './setting_verdicts.ts';

const ask = (text: string) => judgeAdvice(text, DEFAULT_SETTINGS);
const brief = (text: string) => ask(text).parts.map(({ id, verdict }) => `${id} ${verdict}`);

describe('advice is recognised and judged', () => {
  it.each<[string, string[]]>([
    // Settings, in every way to write them.
    ['tcp_tw_recycle', ['tcp_tw_recycle gone']],
    ['net.ipv4.tcp_tw_recycle=1', ['tcp_tw_recycle gone']],
    ['NET.IPV4.TCP_TW_RECYCLE = 1', ['tcp_tw_recycle gone']],
    ['net/ipv4/tcp_tw_recycle', ['tcp_tw_recycle gone']],
    ['echo 1 > /proc/sys/net/ipv4/tcp_tw_recycle', ['tcp_tw_recycle gone']],
    ['# echo "1" | sudo tee -a /proc/sys/net/ipv4/tcp_tw_recycle', ['tcp_tw_recycle gone']],
    ['$ sudo sysctl -w net.ipv4.tcp_tw_reuse=1', ['tcp_tw_reuse works-but']],
    ['sysctl -w "net.ipv4.tcp_tw_reuse=1"', ['tcp_tw_reuse works-but']],
    ['net.ipv4.tcp_fin_timeout = 15', ['tcp_fin_timeout works-but']],
    ['tcp_fin_timeout=75', ['tcp_fin_timeout works-but']],
    ['tcp_fin_timeout=fifteen', ['tcp_fin_timeout does-nothing']],
    ['tcp_fin_timeout=99999999999999999999', ['tcp_fin_timeout does-nothing']],
    ['tcp_retries2=0', ['tcp_retries2 harmful']],
    ['tcp_retries2=256', ['tcp_retries2 does-nothing']],
    ['net.ipv4.tcp_max_tw_buckets = 5000', ['tcp_max_tw_buckets harmful']],
    ['net.ipv4.tcp_max_tw_buckets = 2000000', ['tcp_max_tw_buckets works-but']],
    ['net.ipv4.ip_local_port_range = 1024 65535', ['ip_local_port_range works-but']],
    ['net.ipv4.tcp_timestamps=0', ['tcp_timestamps harmful']],
    ['net.netfilter.nf_conntrack_tcp_timeout_close_wait=10', ['nf_conntrack_tcp_timeout_close_wait harmful']],
    ['nf_conntrack_tcp_timeout_time_wait=30', ['nf_conntrack_tcp_timeout_time_wait does-nothing']],
    ['net.core.somaxconn=65535', ['somaxconn works-but']],
    ['net.ipv4.tcp_rmem = 4096 87380 16777216', ['tcp_rmem does-nothing']],
    // What it is to be good for decides.
    ['lower tcp_fin_timeout to clear FIN_WAIT1', ['tcp_fin_timeout does-nothing']],
    ['set tcp_fin_timeout to 15 to shorten TIME-WAIT', ['tcp_fin_timeout does-nothing']],
    ['set tcp_fin_timeout to 15 to shorten FIN_WAIT2', ['tcp_fin_timeout works-but']],
    ['keepalive settings clear FIN_WAIT1', ['so-keepalive does-nothing']],
    ['kill -9 1581 to get rid of TIME_WAIT', ['kill-9 does-nothing']],
    // Other systems.
    ['ndd -set /dev/tcp tcp_close_wait_interval 1500', ['tcp_close_wait_interval does-nothing']],
    ['ndd -set /dev/tcp tcp_time_wait_interval 60000', ['tcp_time_wait_interval does-nothing']],
    ['ipadm set-prop -p _time_wait_interval=60000 tcp', ['tcp_time_wait_interval does-nothing']],
    ['no -o tcp_keepidle=1200', ['tcp_keepidle does-nothing']],
    ['TCP_KEEPIDLE', ['so-keepalive works-but']],
    ['sysctl net.inet.tcp.msl=2000', ['net.inet.tcp.msl does-nothing']],
    [
      'HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters\\TcpTimedWaitDelay',
      ['TcpTimedWaitDelay does-nothing'],
    ],
    ['netsh interface ipv4 set dynamicport tcp start=1025 num=64510', ['netsh-dynamicport does-nothing']],
    // Typography of web pages.
    ['\u201ciptables \u2013A INPUT \u2013s 10.0.0.1 \u2013j DROP\u201d', ['firewall-drop harmful']],
    ['SO_LINGER with {1, 0} for critical sockets', ['so-linger harmful']],
    ['SO_LINGER {0,0}', ['so-linger does-nothing']],
    ['SO_LINGER {1,30}', ['so-linger works-but']],
    ['ss -K', ['ss-kill harmful']],
    ['ss -tnK', ['ss-kill harmful']],
    ['ss -K dst 10.0.2.46 dport = 2572', ['ss-kill works-but']],
    ['ss --tcp -K sport = :80', ['ss-kill works-but']],
    // As people say it.
    ['fin timeout', ['tcp_fin_timeout works-but']],
    ['SYN cookies?', ['tcp_syncookies works-but']],
    ['restart nginx', ['restart-service works-but']],
    ['restart networking', ['restart-networking harmful']],
    ['kill `lsof -t -i:8080`', ['kill works-but']],
    ['lsof -t -i:8080 | xargs kill -9', ['lsof works-but', 'kill-9 works-but']],
    // Nothing that is advice.
    ['', []],
    ['ss -tan state time-wait', []],
    ['sysctl -p', []],
    ['hello world', []],
    ['sysctl -w net.ipv4.tcp_no_such=1', ['unknown unknown']],
    ['nft list ruleset', ['unknown unknown']],
  ])('%s', (text, expected) => {
    expect(brief(text)).toEqual(expected);
  });

  it('every way to write it that is listed, as what it is listed for', () => {
    for (const { id, examples } of ADVICE_ITEMS) {
      for (const example of examples)
        expect(
          ask(example).parts.map((part) => part.id),
          example,
        ).toEqual([id]);
    }
  });

  it('every piece of a pasted page, in its order, the worst first in rank', () => {
    const page = `
      To get rid of FIN_WAIT1 sockets add this to /etc/sysctl.conf:
        net.ipv4.tcp_fin_timeout = 15
        net.ipv4.tcp_tw_recycle = 1
        net.ipv4.tcp_keepalive_time = 300
      $ sudo sysctl -p; service networking restart && ss -K state fin-wait-1
      Setting net.ipv4.tcp_nonsense is also said to help.
      # iptables -A INPUT -s 10.0.0.7 -j DROP`;
    const { verdict, parts } = ask(page);
    expect(parts.map(({ id }) => id)).toEqual([
      'tcp_fin_timeout',
      'tcp_tw_recycle',
      'tcp_keepalive_time',
      'restart-networking',
      'ss-kill',
      'unknown',
      'firewall-drop',
    ]);
    expect(verdict).toBe('harmful');
    expect(parts[5]).toMatchObject({ text: 'net.ipv4.tcp_nonsense', verdict: 'unknown' });
  });

  it('says a piece once, however often it stands there', () => {
    expect(brief('tcp_tw_recycle=1; tcp_tw_recycle=1; tcp_tw_recycle')).toEqual(['tcp_tw_recycle gone']);
    expect(ask('tcp_fin_timeout=15 or tcp_fin_timeout=75').parts).toHaveLength(2);
  });
});

describe('a piece is shown as it was written', () => {
  it.each([
    ["gdb -p 1234 -ex 'call close(7)' -batch", "gdb -p 1234 -ex 'call close(7)'"],
    ["gdb -p 1234 -ex 'call (int)close(7)'", "gdb -p 1234 -ex 'call (int)close(7)'"],
    ['run `kill -9 1581`', 'kill -9 1581'],
    ['run `kill -9 1581` and be happy', 'kill -9 1581'],
    ['"kill -9 1581"', 'kill -9 1581'],
    ["don't kill -9 'my java'", "kill -9 'my java'"],
    ['kill $(lsof -t -i:8080)', 'kill $(lsof -t -i:8080)'],
    ['kill `lsof -t -i:8080`', 'kill `lsof -t -i:8080`'],
  ])('%s', (text, piece) => {
    expect(ask(text).parts.map((part) => part.text)).toEqual([piece]);
  });

  it.each(['-w', 'cats', 'hello world'])('%s: nothing comes near it', (text) => {
    expect(nearestAdvice(text)).toEqual([]);
  });
});

describe('a value is judged as such', () => {
  it('above 60 tcp_fin_timeout does not last what it says', () => {
    expect(ask('tcp_fin_timeout=75').parts[0].why).toContain('last 30 s, not 75 s');
    expect(ask('tcp_fin_timeout=61').parts[0].why).toContain('last 2 s, not 61 s');
    expect(ask('tcp_fin_timeout=15').parts[0].why).toContain('gone after 15 s');
  });

  it('against what the host has', () => {
    const host = { ...DEFAULT_SETTINGS, tcp_fin_timeout: 15, tcp_max_tw_buckets: 1000 };
    expect(judgeAdvice('tcp_fin_timeout=15', host).parts[0].why).toContain('has that value already');
    expect(judgeAdvice('tcp_max_tw_buckets=5000', host).verdict).toBe('works-but');
    expect(judgeAdvice('tcp_fin_timeout=15', {}).verdict).toBe('works-but');
  });

  it.each([
    ['ndd -set /dev/tcp tcp_keepalive_interval 600000', 'lastack tune set tcp_keepalive_time=600 --dry-run'],
    ['no -o tcp_finwait2=20', 'lastack tune set tcp_fin_timeout=10 --dry-run'],
    ['net.inet.tcp.keepcnt=4', 'lastack tune set tcp_keepalive_probes=4 --dry-run'],
    ['reg add HKLM\\X /v KeepAliveTime /t REG_DWORD /d 0x493e0', 'lastack tune set tcp_keepalive_time=300 --dry-run'],
    [
      'netsh int ipv4 set dynamicport tcp start=10000 num=1000',
      "lastack tune set 'ip_local_port_range=10000 10999' --dry-run",
    ],
  ])('%s is carried over', (text, command) => {
    expect(ask(text).parts[0].instead[0].command).toBe(command);
  });

  it.each([
    'netsh int ipv4 set dynamicport tcp start=60000 num=10000',
    'no -o tcp_finwait2=0',
    'tcp_keepalive_interval 1',
  ])('%s is not', (text) => {
    expect(
      ask(text)
        .parts[0].instead.map(({ command }) => command)
        .join(),
    ).not.toContain('tune set');
  });
});

describe('all that is known', () => {
  const all = allAdvice(DEFAULT_SETTINGS);

  it('has a verdict on every setting of the catalogue', () => {
    for (const setting of KERNEL_SETTINGS) {
      expect(settingVerdict(setting.name), setting.name).toBeDefined();
      for (const text of [setting.name, sysctlName(setting), `/proc/sys/${setting.path}`]) {
        expect(
          ask(text).parts.map(({ id }) => id),
          text,
        ).toEqual([setting.name]);
        expect(ask(text).verdict, text).not.toBe('unknown');
      }
    }
  });

  it('translates every foreign name to settings of the catalogue, or says why nothing does', () => {
    for (const { name, here, note } of FOREIGN_SETTINGS) {
      for (const each of here)
        expect(
          KERNEL_SETTINGS.map((setting) => setting.name),
          name,
        ).toContain(each);
      if (here.length === 0) expect(note, name).toBeDefined();
    }
  });

  it.each(all.map((each) => [each.example, each.judged] as const))(
    '%s has a reason, evidence and something to do',
    (_, judged) => {
      expect(judged.why).toMatch(/\.$/);
      expect(judged.evidence.length).toBeGreaterThan(0);
      expect(judged.instead.length).toBeGreaterThan(0);
      expect(JSON.stringify(judged)).toMatch(/^[ -~]*$/);
    },
  );
});

describe('untrusted text', () => {
  it('leaves no control character in what is said of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
        const { parts } = ask(
          `${noise} tcp_fin_timeout=${noise} \u001b[31mkill -9 ${noise}\u202e iptables ${noise} -j DROP`,
        );
        for (const { text } of parts)
          expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/);
      }),
    );
  });

  it('judges words in any order without failing', () => {
    const words = all().flatMap((example) => example.split(/\s+/));
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 40 }), (some) => {
        for (const { verdict, why } of ask(some.join(' ')).parts)
          expect(`${verdict} ${why}`).not.toContain('undefined');
      }),
    );
  });

  /** What makes careless patterns go over the text again and again. */
  it.each([
    'iptables ',
    'nft ',
    'echo 1 ',
    'gdb p ',
    'ss -a',
    'tcp_fin_timeout=',
    'tcp_fin_timeout ',
    '* ',
    '1 ',
    'close_wait ',
    'zero-window ',
    'net.ipv4.',
    '/a',
    '_',
    '-',
    '\n',
    ' ',
    'no -o ',
    'sysctl -w ',
    'tcp_orphan_retries default ',
    'shutdown(',
    '{1,',
  ])('takes little time over %j, again and again', (piece) => {
    const begin = performance.now();
    ask(piece.repeat(MAX_ADVICE_LENGTH / piece.length));
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  function all(): string[] {
    return ADVICE_ITEMS.flatMap(({ examples }) => examples).concat(KERNEL_SETTINGS.map(({ name }) => name));
  }
});
