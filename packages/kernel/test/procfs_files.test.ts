import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { readCounters } from '../src/procfs/counters.ts';
import { readCarrier, readInterfaces } from '../src/procfs/interfaces.ts';
import { isKernelThread, readBootId, readCommand } from '../src/procfs/process.ts';
import { readServices } from '../src/procfs/services.ts';
import { readSockstat } from '../src/procfs/sockstat.ts';
import { loadLibc } from '../src/sys/libc.ts';
import { readTimerHz } from '../src/sys/timer_hz.ts';
import { readSettings } from '../src/sysctl.ts';
import { type FakeProc, fakeProc } from './fixtures/proc/tree.ts';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

function tree(...given: Parameters<typeof fakeProc>): FakeProc {
  const proc = fakeProc(...given);
  cleanups.push(proc.remove);
  return proc;
}

describe('settings', () => {
  it('takes numbers, splits tuples, and leaves out what is absent or not a number', () => {
    const { root } = tree(
      {},
      {
        'sys/net/ipv4/tcp_retries2': '15\n',
        'sys/net/ipv4/tcp_fin_timeout': 'soon\n',
        'sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
        'sys/net/ipv4/tcp_mem': '1\t2\n',
        'sys/net/core/somaxconn': '4096\n',
        'sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait': '60\n',
        'sys/net/netfilter/nf_conntrack_udp_timeout': '30\n',
      },
    );
    expect(readSettings({ procRoot: root })).toEqual({
      tcp_retries2: 15,
      ip_local_port_range_low: 32_768,
      ip_local_port_range_high: 60_999,
      somaxconn: 4096,
      nf_conntrack_tcp_timeout_close_wait: 60,
    });
    expect(readSettings({ procRoot: `${root}/none` })).toEqual({});
  });

  it('agrees with sysctl(8)', () => {
    const settings = readSettings({ procRoot: '/proc' });
    const shown = (name: string) =>
      execFileSync('sysctl', ['-n', name], { encoding: 'utf8' }).trim().split(/\s+/).map(Number);
    for (const name of ['tcp_retries2', 'tcp_orphan_retries', 'tcp_fin_timeout', 'tcp_max_orphans']) {
      expect([settings[name]]).toEqual(shown(`net.ipv4.${name}`));
    }
    const { tcp_mem_low: low, tcp_mem_pressure: pressure, tcp_mem_high: high } = settings;
    expect([low, pressure, high]).toEqual(shown('net.ipv4.tcp_mem'));
    expect([settings.somaxconn]).toEqual(shown('net.core.somaxconn'));
    expect(settings.ip_local_port_range_high).toBeGreaterThan(settings.ip_local_port_range_low!);
  });
});

describe('counts of this namespace', () => {
  it('has the counters that findings use', () => {
    const counters = readCounters({ procRoot: '/proc' });
    for (const name of ['TcpExt.ListenOverflows', 'TcpExt.TCPTimeouts', 'Tcp.RetransSegs', 'IpExt.InOctets']) {
      expect(counters.get(name)).toBeGreaterThanOrEqual(0);
    }
    expect(readCounters({ procRoot: '/nonexistent' }).size).toBe(0);
  });

  it('has socket counts', () => {
    const sockstat = readSockstat({ procRoot: '/proc' });
    for (const name of ['TCP.inuse', 'TCP.orphan', 'TCP.tw', 'TCP.alloc', 'TCP.mem']) {
      expect(sockstat[name]).toBeGreaterThanOrEqual(0);
    }
    expect(readSockstat({ procRoot: '/nonexistent' })).toEqual({});
  });

  it('lists the devices that ip lists', () => {
    const links = JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' })) as { ifname: string }[];
    const devices = readInterfaces({ procRoot: '/proc', sysRoot: '/sys' }).map(({ device }) => device);
    expect(devices.sort()).toEqual(links.map(({ ifname }) => ifname).sort());
  });

  it('adds speed and duplex where the device has them', () => {
    const line = (name: string) => `${name}: ${Array(16).fill(0).join(' ')}\n`;
    const { root } = tree(
      {},
      {
        'thread-self/net/dev': line('eth0') + line('eth1') + line('eth2'),
        'class/net/eth0/speed': '1000\n',
        'class/net/eth0/duplex': 'half\n',
        'class/net/eth0/carrier': '1\n',
        'class/net/eth1/speed': '-1\n',
        'class/net/eth1/duplex': 'unknown\n',
        'class/net/eth1/carrier': '0\n',
      },
    );
    const [first, ...others] = readInterfaces({ procRoot: root, sysRoot: root });
    expect(first).toMatchObject({ speedMbps: 1000, duplex: 'half' });
    for (const other of others) expect(Object.keys(other)).not.toContain('speedMbps');
    expect(['eth0', 'eth1', 'eth2'].map((device) => readCarrier(root, device))).toEqual([true, false, undefined]);
    expect(readInterfaces({ procRoot: root })[0]).not.toHaveProperty('speedMbps');
  });
});

describe('timer frequency', () => {
  it('is the one that this kernel was built with, where a file tells', () => {
    const config = ['/proc/config.gz', `/boot/config-${release()}`].flatMap((name) => {
      try {
        const bytes = readFileSync(name);
        return [(name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()];
      } catch {
        return [];
      }
    });
    const found = readTimerHz(loadLibc());
    for (const text of config) expect(found).toBe(Number(/^CONFIG_HZ=(\d+)$/m.exec(text)?.[1]));
    // getconf CLK_TCK is another frequency (that of times(2)); Python asks the same call.
    const python = 'import time; print(time.clock_getres(6))';
    expect(found).toBe(Math.round(1 / Number(execFileSync('python3', ['-c', python], { encoding: 'utf8' }))));
  });

  it.each([undefined, 1, 1e9])('is unknown when a tick would last %s ns', (ns) => {
    expect(readTimerHz({ clockResolutionNs: () => ns })).toBeUndefined();
  });
});

describe('processes', () => {
  it('reads this one', () => {
    expect(`${readCommand('/proc/self')}\n`).toBe(readFileSync('/proc/self/comm', 'utf8'));
    expect(isKernelThread('/proc', process.pid)).toBe(false);
    expect(readBootId('/proc')).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it('knows kernel threads', () => {
    const { root } = tree({ 2: { kernelThread: true, comm: 'kthreadd' }, 3: { comm: 'kthreadd' } });
    expect([2, 3, 4].map((pid) => isKernelThread(root, pid))).toEqual([true, false, false]);
  });

  it('reads services from the system’s file', () => {
    expect(readServices('/nonexistent').size).toBe(0);
  });
});
