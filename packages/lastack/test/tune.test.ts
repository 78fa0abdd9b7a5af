import { existsSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectOneLine } from './support/assertions.ts';
import { bundleTuneRunner } from './support/bundle.ts';
import { COMMAND, ensureBuilt, lastack, outcomeOf, start } from './support/command.ts';
import { type PrivateHost, startPrivateHost } from './support/private_host.ts';
import { missingNamespaces } from './support/privileged.ts';

const SKIP = missingNamespaces() !== undefined;
const LIMIT_MS = 120_000;
/** Files of root, and the place of process 1, are nothing to this one. */
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
const OWN_FILE = '/etc/sysctl.d/60-lastack.conf';

beforeAll(() => ensureBuilt(), 120_000);

describe('a command line that cannot be meant', () => {
  it.each([
    [['set'], 2, /missing required argument/],
    [['set', 'tcp_fin_timeot=5'], 2, /did you mean tcp_fin_timeout\?/],
    [['set', 'nonsense=5'], 2, /`lastack tune` lists them/],
    [['set', 'tcp_fin_timeout'], 2, /no value; write for example tcp_fin_timeout=60/],
    [['set', 'tcp_fin_timeout='], 2, /needs a value/],
    [['set', 'tcp_fin_timeout', '='], 2, /needs a value/],
    [['set', 'tcp_fin_timeout', '=', 'tcp_retries2', '=', '8'], 2, /tcp_fin_timeout needs a value/],
    [['set', 'tcp_fin_timeout=', 'tcp_retries2=8'], 2, /tcp_fin_timeout needs a value/],
    [['set', 'tcp_fin_timeout', '30'], 2, /no = before the value; write tcp_fin_timeout=30$/m],
    [['set', 'ip_local_port_range', '1 2'], 2, /no = before the value; write 'ip_local_port_range=1 2'$/m],
    [['set', 'tcp_fin_timeout', '=', '30', '=', '40'], 2, /'30=40' is not a decimal number/],
    [['set', 'tcp_fin_timeout=30', '40'], 2, /takes one number, not 2/],
    [['set', '=', '30'], 2, /'=30' names no setting; write NAME=VALUE/],
    [['set', ''], 2, /'' names no setting; write NAME=VALUE/],
    [['set', 'tcp_fin_timeout=abc'], 2, /'abc' is not a decimal number/],
    [['set', 'tcp_fin_timeout=0x10'], 2, /not a decimal number/],
    [['set', 'tcp_fin_timeout=010'], 2, /not a decimal number/],
    [['set', 'tcp_fin_timeout=1;reboot'], 2, /not a decimal number/],
    [['set', 'tcp_fin_timeout=\u001b[31m'], 2, /'\\x1b\[31m' is not/],
    [['set', 'tcp_retries2=256'], 2, /outside what the kernel takes for tcp_retries2: 0 to 255/],
    [['set', 'tcp_retries2=99999999999999999999'], 2, /outside what the kernel takes/],
    [['set', 'tcp_fin_timeout=61'], 2, /last 2 s, not 61 s: .*use 60 or less.*--force/],
    [['set', 'tcp_fin_timeout=119'], 2, /last 1 min 58 s, not 119 s/],
    [['set', 'tcp_fin_timeout=0'], 2, /makes no sense.*--force/],
    [['set', 'ip_local_port_range=60000 50000'], 2, /ends \(50000\) before it begins/],
    [['set', 'ip_local_port_range=60000'], 2, /takes 2 numbers, not 1/],
    [['set', 'tcp_retries2=8', 'net.ipv4.tcp_retries2=9'], 2, /tcp_retries2 is given twice/],
    [['set', 'tcp_orphan_retries=200'], 2, /never given up/],
    [['set', 'tcp_tw_recycle=1'], 3, /removed in Linux 4\.12 .*NAT.*instead .*tcp_tw_reuse/],
    [['set', 'tcp_retries2=8', '--netns', 'no-such'], 1, /there is no network namespace 'no-such', or it is gone/],
    [['show', 'tcp_fin_timeot'], 2, /did you mean tcp_fin_timeout\?/],
    [['--netns', '999999999'], 1, /there is no network namespace '999999999'/],
    [['advise', '--for', 'desktop'], 2, /neither a profile \(server, proxy, client, database\) nor a rule/],
    [['advise', 'now'], 2, /too many arguments/],
    [['tcp_fin_timeout=5'], 2, /tune has no command 'tcp_fin_timeout=5'; there are show, advise, set, drift/],
  ])('tune %j: exit code %i', async (args, code, said) => {
    // With --dry-run nothing could be changed even if the mistake went unnoticed.
    const more = args[0] === 'set' ? ['--dry-run'] : [];
    expectOneLine(await lastack(['tune', ...args, ...more]), code, said);
  });

  it('names each of several mistakes on a line of its own', async () => {
    const { code, out, err } = await lastack(['tune', 'set', 'tcp_fin_timeout=x', 'tcp_retries2=999', '--dry-run']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^lastack: tcp_fin_timeout=x refused: .*\nlastack: tcp_retries2=999 refused: .*\n$/);
  });
});

describe('looking', () => {
  it('shows every setting with its value, also to an ordinary user, in a narrow terminal and as JSON', async () => {
    const { code, out } = await lastack(['tune', 'show', 'tcp_fin_timeout', 'net.ipv4.tcp_retries2']);
    expect(code).toBe(0);
    expect(out).toMatch(/^tcp_fin_timeout = \d+ s\n/m);
    expect(out).toMatch(/TIME_WAIT \(always 60 s\)/);
    expect(out).toMatch(/^tcp_retries2 = \d+ retries\n/m);
    const { out: json } = await lastack(['tune', '--json']);
    const document = JSON.parse(json);
    expect(document.schema).toBe('lastack.settings/1');
    const gone = document.settings.find(({ name }: { name: string }) => name === 'tcp_tw_recycle');
    expect(gone).toMatchObject({ until: '4.12', absent: expect.stringContaining('removed in Linux 4.12') });
  });
});

// Only the first network namespace of a kernel has this setting (ipv4_table of net/ipv4/sysctl_net_ipv4.c).
const isFirstNamespace = existsSync('/proc/sys/net/ipv4/tcp_max_orphans');

it.runIf(isFirstNamespace && process.getuid?.() === 0)('drift in the host is for ordinary users, too', async () => {
  const [command, ...args] = [...NOBODY, process.execPath, COMMAND, 'tune', 'drift'];
  const { code, err } = await outcomeOf(start(command, args));
  // 4: a file that only root may read.
  expect([0, 1, 4]).toContain(code);
  if (code !== 4) expect(err).toBe('');
});

describe.skipIf(SKIP)('on a host of its own', { timeout: LIMIT_MS }, () => {
  let host: PrivateHost;
  beforeEach(async () => {
    host = await startPrivateHost({
      'etc/sysctl.d/10-site.conf': 'net.ipv4.tcp_syn_retries = 4\n',
      'etc/sysctl.conf': '# nothing\n',
    });
  });
  afterEach(() => host.end());

  it('sets several, reads them back, keeps a journal, and undo puts all back', async () => {
    const { code, out, err } = await host.lastack('tune', 'set', 'tcp_fin_timeout=30', 'net.ipv4.tcp_retries2=9');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^tcp_fin_timeout 60 → 30 in host\n/);
    expect(out).toMatch(/tcp_retries2 15 → 9 in host\n/);
    const entry = /lastack undo (\d+)\n$/.exec(out)?.[1] as string;
    expect([await host.value('tcp_fin_timeout'), await host.value('tcp_retries2')]).toEqual(['30', '9']);
    expect(await host.lastack('undo', entry, '--yes')).toMatchObject({ code: 0 });
    expect([await host.value('tcp_fin_timeout'), await host.value('tcp_retries2')]).toEqual(['60', '15']);
    expect(host.read(OWN_FILE)).toBeUndefined();
  });

  it.each([
    [['tcp_fin_timeout', '=', '30']],
    [['tcp_fin_timeout', '=30']],
    [['tcp_fin_timeout=', '30']],
    [['tcp_fin_timeout  =  30 ']],
    [['-w', 'net.ipv4.tcp_fin_timeout=30']],
    [['tcp_retries2', '=', '15', 'net/ipv4/tcp_fin_timeout', '=', '30']],
    [['ip_local_port_range', '=', '32768', '60999', '/proc/sys/net/ipv4/tcp_fin_timeout', '=30']],
  ])('takes lines made for sysctl, blanks around the = and all: %j', async (words) => {
    expect(await host.lastack('tune', 'set', ...words)).toMatchObject({ code: 0, err: '' });
    expect(await host.value('tcp_fin_timeout')).toBe('30');
    expect([await host.value('tcp_retries2'), await host.value('ip_local_port_range')]).toEqual(['15', '32768 60999']);
  });

  it('wants --yes for a value with a caution where nobody can be asked', async () => {
    const refused = await host.lastack('tune', 'set', 'tcp_fin_timeout=600');
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toMatch(/^lastack: tcp_fin_timeout: .*18 min.*; nothing was changed; say --yes .*\n$/);
    expect(await host.value('tcp_fin_timeout')).toBe('60');
    expect(await host.lastack('tune', 'set', 'tcp_fin_timeout=600', '--yes')).toMatchObject({ code: 0 });
    expect(await host.value('tcp_fin_timeout')).toBe('600');
  });

  it('changes nothing with --dry-run, and nothing when it is so already', async () => {
    const dry = await host.lastack('tune', 'set', 'tcp_fin_timeout=30', '--persist', '--dry-run');
    expect(dry).toMatchObject({ code: 0, err: '' });
    expect(dry.out).toMatch(/^would set tcp_fin_timeout 60 → 30 in host\n/);
    expect(await host.value('tcp_fin_timeout')).toBe('60');
    expect(host.read(OWN_FILE)).toBeUndefined();
    expect((await host.lastack('tune', 'set', 'tcp_fin_timeout=60')).out).toMatch(/nothing to change/);
    expect((await host.lastack('journal')).err).toMatch(/nothing has been changed so far/);
  });

  it('sets all or none: a value that the kernel alters puts the one before it back', async () => {
    // The kernel rounds 501 ms to its ticks; which value it makes of it depends on its clock.
    const outcome = await host.lastack('tune', 'set', 'tcp_keepalive_time=60', 'tcp_invalid_ratelimit=501');
    const made = /the kernel made (\d+) of it; nothing was changed/.exec(outcome.err)?.[1];
    if (made !== undefined) {
      expectOneLine(outcome, 3, 'tcp_invalid_ratelimit');
      expect(await host.value('tcp_keepalive_time')).toBe('7200');
      expect(await host.value('tcp_invalid_ratelimit')).toBe('500');
      expect((await host.lastack('undo', '--dry-run')).err).toMatch(/nothing to undo/);
    } else expect(outcome.code).toBe(0);
  });

  it('undoes what is still as it was set, and leaves what someone else has changed since', async () => {
    await host.lastack('tune', 'set', 'tcp_fin_timeout=30', 'tcp_retries2=9');
    await host.run(['sysctl', '-w', 'net.ipv4.tcp_retries2=11']);
    const { code, out } = await host.lastack('undo', '--yes');
    expect(code).toBe(3);
    expect(out).toMatch(/tcp_retries2 of host is 11 now, no longer the 9 that was set/);
    expect([await host.value('tcp_fin_timeout'), await host.value('tcp_retries2')]).toEqual(['60', '11']);
  });

  it('keeps values in a file that sysctl reads, in the order it was told, and undo takes them out', async () => {
    const set = await host.lastack('tune', 'set', 'tcp_fin_timeout=30', 'ip_local_port_range=20000 60999', '--persist');
    expect(set).toMatchObject({ code: 0, err: '' });
    const text = host.read(OWN_FILE) as string;
    expect(text).toMatch(
      /^# \d{4}-\d\d-\d\d set by lastack tune \(it was 60\): how long an orphan stays in FIN_WAIT2/m,
    );
    expect(text).toMatch(/^net\.ipv4\.tcp_fin_timeout = 30$/m);
    // As after a restart: other values run, and the real program reads the files.
    await host.run(['sysctl', '-w', 'net.ipv4.tcp_fin_timeout=44', 'net.ipv4.ip_local_port_range=30000 40001']);
    const { out } = await host.run(['sysctl', '--system']);
    expect(out).toContain(`Applying ${OWN_FILE}`);
    expect([await host.value('tcp_fin_timeout'), await host.value('ip_local_port_range')]).toEqual([
      '30',
      '20000 60999',
    ]);
    expect(await host.lastack('undo', '--yes')).toMatchObject({ code: 0 });
    expect(host.read(OWN_FILE)).toBeUndefined();
    expect(await host.value('tcp_fin_timeout')).toBe('60');
    expect(host.read('/etc/sysctl.d/10-site.conf')).toBe('net.ipv4.tcp_syn_retries = 4\n');
  });

  it('replaces only its own lines of the file, and puts the value before back', async () => {
    await host.lastack('tune', 'set', 'tcp_fin_timeout=30', 'tcp_retries2=9', '--persist');
    host.write(OWN_FILE, `${host.read(OWN_FILE)}\n# mine\nnet.core.somaxconn = 5000\n`);
    await host.lastack('tune', 'set', 'tcp_fin_timeout=20', '--persist');
    const text = host.read(OWN_FILE) as string;
    expect(text.match(/tcp_fin_timeout = /g)).toHaveLength(1);
    expect(text).toMatch(/tcp_fin_timeout = 20\n/);
    expect(text).toMatch(/# mine\nnet\.core\.somaxconn = 5000\n/);
    await host.lastack('undo', '--yes');
    expect(host.read(OWN_FILE)).toMatch(/# mine\nnet\.core\.somaxconn = 5000\n/);
    expect(host.read(OWN_FILE)).not.toMatch(/tcp_fin_timeout|tcp_retries2/);
    expect([await host.value('tcp_fin_timeout'), await host.value('tcp_retries2')]).toEqual(['60', '15']);
  });

  it('names the file of another that wins at boot, and drift shows it; sysctl agrees', async () => {
    host.write('/etc/sysctl.d/99-other.conf', '\nnet/ipv4/tcp_retries2 = 11\n');
    const { out } = await host.lastack('tune', 'set', 'tcp_retries2=9', '--persist');
    expect(out).toMatch(/but \/etc\/sysctl\.d\/99-other\.conf line 2 is applied later and sets tcp_retries2 to 11/);
    const drift = await host.lastack('tune', 'drift', '--json');
    expect(drift.code).toBe(1);
    const found = JSON.parse(drift.out).drifts.find(({ name }: { name: string }) => name === 'tcp_retries2');
    expect(found).toMatchObject({
      running: '9',
      kept: '9',
      boot: { value: '11', file: '/etc/sysctl.d/99-other.conf', line: 2 },
    });
    await host.run(['sysctl', '--system']);
    expect(await host.value('tcp_retries2')).toBe('11');
  });

  it('drift: what runs otherwise than at the next start, and no word where all agree', async () => {
    await host.run(['sysctl', '--system']);
    expect(await host.lastack('tune', 'drift')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/are those that/),
    });
    await host.run(['sysctl', '-w', 'net.ipv4.tcp_syn_retries=5', 'net.ipv4.tcp_fin_timeout=33']);
    const { code, out } = await host.lastack('tune', 'drift');
    expect(code).toBe(1);
    expect(out).toMatch(/tcp_syn_retries: running 5, lastack's file -, at the next start 4/);
    expect(out).toMatch(/tcp_fin_timeout: running 33, lastack's file -, at the next start 60/);
  });

  it('drift for an ordinary user: refused elsewhere than in the host, with the way there', async () => {
    const { out: inode } = await host.run(['sh', '-c', 'readlink /proc/self/ns/net | tr -dc 0-9']);
    expectOneLine(
      await host.run([...NOBODY, process.execPath, COMMAND, 'tune', 'drift']),
      3,
      `and this is another (netns-${inode}); as root: nsenter --net=/proc/1/ns/net lastack tune drift\n`,
    );
  });

  it('--persist is refused in another namespace than the host', async () => {
    // It holds the namespace; process ids are those of the host of its own.
    const holder = 'echo $$ $(readlink /proc/self/ns/net); exec sleep 300';
    const other = host.start(['unshare', '--net', 'sh', '-c', holder]);
    const line = (await new Promise<Buffer>((resolve) => other.stdout?.once('data', resolve))).toString();
    const [, pid, inode] = /^(\d+) net:\[(\d+)\]/.exec(line) as string[];
    try {
      const refused = await host.lastack('tune', 'set', 'tcp_retries2=9', '--persist', '--netns', inode);
      expectOneLine(refused, 3, /--persist: files are applied to the host's own network namespace/);
      expect(await host.lastack('tune', 'set', 'tcp_retries2=9', '--netns', inode)).toMatchObject({ code: 0 });
      expect(await host.value('tcp_retries2')).toBe('15');
      const show = await host.lastack('tune', 'show', 'tcp_retries2', '--netns', inode);
      expect(show.out).toMatch(/tcp_retries2 = 9/);
    } finally {
      await host.run(['kill', '-9', pid]);
    }
    // The namespace goes with its last process, soon after it.
    const seen = async () => (await host.lastack('tune', 'show', 'tcp_retries2', '--netns', inode)).code;
    await expect.poll(seen, { timeout: 20_000 }).toBe(1);
    // Who asks for that entry is told; for everyone else it is finished.
    const document = JSON.parse((await host.lastack('journal', '--json')).out);
    const undo = await host.lastack('undo', String(document.changes.at(-1).entry), '--yes');
    expect(undo).toMatchObject({ code: 3, out: expect.stringMatching(/is gone, and the setting with it/) });
    for (const flag of ['--dry-run', '--yes']) {
      const nothing = await host.lastack('undo', flag);
      expect(nothing).toMatchObject({ code: 1, out: '', err: 'lastack: there is nothing to undo\n' });
    }
    const vanished = await host.lastack('tune', 'set', 'tcp_retries2=9', '--netns', inode);
    expectOneLine(vanished, 1, /there is no network namespace/);
  });

  it('a read-only /proc/sys, and no right: one line, and nothing half written', async () => {
    const readOnly = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"',
      'sh',
    ];
    const set = [process.execPath, COMMAND, 'tune', 'set', 'tcp_retries2=9', 'tcp_fin_timeout=30', '--persist'];
    expectOneLine(await host.run([...readOnly, ...set]), 3, /\/proc\/sys is read-only here.*EROFS/);
    const nobody = ['setpriv', '--reuid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
    expectOneLine(await host.run([...nobody, ...set.slice(0, -1)]), 3, /permission denied \(EACCES\); run as root/);
    expect([await host.value('tcp_fin_timeout'), await host.value('tcp_retries2')]).toEqual(['60', '15']);
    expect(host.read(OWN_FILE)).toBeUndefined();
    expect((await host.lastack('journal')).err).toMatch(/nothing has been changed so far/);
  });

  it('a file that cannot be written puts the running values back', async () => {
    const readOnly = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind /etc /etc && mount -o remount,bind,ro /etc && exec "$@"',
      'sh',
    ];
    const set = [process.execPath, COMMAND, 'tune', 'set', 'tcp_retries2=9', '--persist'];
    expectOneLine(
      await host.run([...readOnly, ...set]),
      3,
      /60-lastack\.conf: .*EROFS.*nothing was changed; leave --persist out/,
    );
    expect(await host.value('tcp_retries2')).toBe('15');
  });

  it.each(['first', 'all', 'end'])('killed without a word (%s): the next run puts everything back', async (where) => {
    const runner = await bundleTuneRunner();
    const words = ['tcp_fin_timeout=30', 'tcp_retries2=9', 'tcp_orphan_retries=3'];
    await host.run([process.execPath, runner, where, ...words]);
    expect(await host.value('tcp_fin_timeout')).toBe('30');
    expect(await host.value('tcp_orphan_retries')).toBe(where === 'first' ? '0' : '3');
    expect(host.read(OWN_FILE) !== undefined).toBe(where === 'end');
    const { err } = await host.lastack('undo', '--yes');
    expect(err).toMatch(/was interrupted before it had ended: .*: done\n/);
    const values = ['tcp_fin_timeout', 'tcp_retries2', 'tcp_orphan_retries'].map((name) => host.value(name));
    expect(await Promise.all(values)).toEqual(['60', '15', '0']);
    expect(host.read(OWN_FILE)).toBeUndefined();
  });

  it('kill -9 at any moment leaves all of it or, after the next run, nothing', async () => {
    const set = [process.execPath, COMMAND, 'tune', 'set', 'tcp_fin_timeout=30', 'tcp_retries2=9', '--persist'];
    for (const seconds of ['0.08', '0.12', '0.16', '0.25', '0.5']) {
      await host.run(['timeout', '-s', 'KILL', seconds, ...set]);
      await host.lastack('journal');
      const values = [
        await host.value('tcp_fin_timeout'),
        await host.value('tcp_retries2'),
        host.read(OWN_FILE) !== undefined,
      ];
      expect([
        ['60', '15', false],
        ['30', '9', true],
      ]).toContainEqual(values);
      await host.lastack('undo', '--yes');
      expect(await host.value('tcp_fin_timeout')).toBe('60');
    }
  });
});
