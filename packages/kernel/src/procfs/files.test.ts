import { describe, expect, it } from 'vitest';
import { parseCounters } from './counters.ts';
import { parseInterfaces } from './interfaces.ts';
import { parseStatFlags } from './process.ts';
import { parseServices } from './services.ts';
import { parseSockstat } from './sockstat.ts';
import { parseNumber } from './text.ts';

describe('parseSockstat', () => {
  it('reads the labelled pairs', () => {
    const text = 'sockets: used 14\nTCP: inuse 1 orphan 0 tw 7 alloc 3 mem 386\nUDP: inuse 0 mem 0\nTCP6: inuse 2\n';
    expect(parseSockstat(text)).toEqual({
      'sockets.used': 14,
      'TCP.inuse': 1,
      'TCP.orphan': 0,
      'TCP.tw': 7,
      'TCP.alloc': 3,
      'TCP.mem': 386,
      'UDP.inuse': 0,
      'UDP.mem': 0,
      'TCP6.inuse': 2,
    });
  });

  it.each(['', 'TCP inuse 1', 'TCP: inuse', 'TCP: inuse many'])('reads nothing out of %j', (text) => {
    expect(parseSockstat(text)).toEqual({});
  });
});

describe('parseCounters', () => {
  it('pairs names with values, also negative and missing ones', () => {
    const text =
      'Tcp: RtoAlgorithm RtoMin MaxConn RetransSegs\nTcp: 1 200 -1 42\n' +
      'TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 0\nIpExt: InOctets\nIpExt: 9007199254740991\n';
    expect(parseCounters(text)).toEqual(
      new Map([
        ['Tcp.RtoAlgorithm', 1],
        ['Tcp.RtoMin', 200],
        ['Tcp.MaxConn', -1],
        ['Tcp.RetransSegs', 42],
        ['TcpExt.SyncookiesSent', 0],
        ['IpExt.InOctets', 2 ** 53 - 1],
      ]),
    );
  });

  it('does not pair lines of different labels', () => {
    expect(parseCounters('Tcp: A\nUdp: 1\n\n').size).toBe(0);
  });
});

describe('parseInterfaces', () => {
  it('reads errors and drops, also where the name touches the first number or holds a colon', () => {
    const text =
      'Inter-|   Receive                                                |  Transmit\n' +
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n' +
      '    lo:    100       1    2    3    0     0          0         0      100       1    4    5    0     0       0          0\n' +
      'eth0:1:12345678901 1    6    7    0     0          0         0      100       1    8    9    0     0       0          0\n';
    expect(parseInterfaces(text)).toEqual([
      { device: 'lo', receiveErrors: 2, receiveDrops: 3, transmitErrors: 4, transmitDrops: 5 },
      { device: 'eth0:1', receiveErrors: 6, receiveDrops: 7, transmitErrors: 8, transmitDrops: 9 },
    ]);
  });

  it('skips lines that are cut', () => {
    expect(parseInterfaces('lo: 1 2 3')).toEqual([]);
  });
});

describe('parseServices', () => {
  it('reads names and aliases of TCP only, the first line of a name winning', () => {
    const text =
      '# comment\nhttp\t80/tcp www # web\ndomain 53/udp\ndomain 53/tcp\nhttp 8080/tcp\nbad 70000/tcp\nx y/tcp\n';
    expect(parseServices(text)).toEqual(
      new Map([
        ['http', 80],
        ['www', 80],
        ['domain', 53],
      ]),
    );
  });
});

describe('parseStatFlags', () => {
  it('is not misled by a name with parentheses', () => {
    expect(parseStatFlags('7 (a) R 1 (b)) S 1 1 1 0 -1 2129984 0 0 0')).toBe(2_129_984);
    expect(parseStatFlags('')).toBeUndefined();
  });
});

describe('parseNumber', () => {
  it.each([
    ['7\n', 7],
    ['-1', -1],
    ['', undefined],
    ['0x10', undefined],
    ['1 2', undefined],
    [undefined, undefined],
  ])('%j', (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });
});
