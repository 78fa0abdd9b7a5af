import type { Finding, SocketRef } from '@lastack/core';
import { TcpState } from '@lastack/core';
import type { Diagnosis } from '../../report/report_json.ts';
import { observationOf, observedNamespace } from './report_testing.ts';

/** A host with three troubles, for the golden tests: two ends visible, a bimodal forecast, hostile names. */
export function sampleDiagnosis(): Diagnosis {
  const host = observedNamespace(
    'host',
    Array.from({ length: 47 }, (_, index) => ({
      state: TcpState.CLOSE_WAIT,
      local: '10.0.0.153:8080',
      remote: `10.0.2.46:${51_200 + index}`,
      receiveQueue: 1,
      inode: 700 + index,
    })),
  );
  const blue = observedNamespace('blue', [
    { state: TcpState.FIN_WAIT2, local: '10.0.2.46:51200', remote: '10.0.0.153:8080', inode: 900 },
    {
      state: TcpState.FIN_WAIT1,
      local: '[2001:db8:0:1::153]:4000',
      remote: '[2001:db8:0:2::46]:2572',
      sendQueue: 4321,
    },
  ]);
  const refs = (namespace: typeof host, rows: readonly number[]): SocketRef[] =>
    rows.map((row) => ({ namespace, row }));
  const rows = Array.from({ length: 47 }, (_, row) => row);
  const leak: Finding = {
    rule: 'close-wait-eof-unread',
    blame: 'local-app',
    severity: 'warning',
    count: 47,
    title: '47 connections in CLOSE_WAIT on :8080: api.service (node, pid 812) never read the end of file',
    cause:
      'The peer has closed its side and the end of file waits unread in the receive queue. Neither a thread nor an epoll set of the program waits for these descriptors.',
    evidence: [
      {
        fact: 'not read by the program (Recv-Q; a FIN counts as one byte)',
        value: '47 bytes',
        source: 'sock_diag idiag_rqueue',
      },
      {
        fact: 'entered the state within the last 10 s / 1 min / 10 min, at least',
        value: '2 / 11 / 47',
        source: 'TCP_INFO tcpi_last_data_recv, tcpi_last_data_sent',
      },
      { fact: 'threads of node (pid 812)', value: '4 in futex, 1 in epoll_wait', source: '/proc/812/task/*/syscall' },
      {
        fact: 'descriptors that an epoll set of node (pid 812) watches',
        value: '0 of 47',
        source: '/proc/812/fdinfo',
      },
    ],
    forecast: { kind: 'never', because: 'the program has not closed its side: no timer runs' },
    remedies: [
      { id: 'fix-program', what: 'read until the end of file on every accepted connection, then close it' },
      {
        id: 'drop',
        what: 'have the kernel drop one of them, 10.0.0.153:8080 → 10.0.2.46:51200; ss reports success even where nothing was dropped',
        command: 'ss -tnK state close-wait src 10.0.0.153:8080 dst 10.0.2.46:51200',
        cost: 'data not yet delivered is lost and the peer may get a reset; the program keeps its descriptor until it closes it',
      },
      {
        id: 'restart',
        what: 'restart api.service',
        command: 'systemctl restart api.service',
        cost: 'every connection and all unsaved state of the program',
      },
    ],
    sockets: refs(host, rows),
    peers: rows.map((row) => (row === 0 ? { namespace: blue, row: 0 } : undefined)),
    age: { fromMs: 251_000, toMs: 352_000 },
    namespace: host,
  };
  const stuck: Finding = {
    rule: 'fin-wait-1-blackhole',
    blame: 'peer-host or path',
    severity: 'notice',
    count: 1,
    title: '1 connection in FIN_WAIT1 to [2001:db8:0:2::46]:2572: no answer to its FIN (left by their program)',
    cause:
      'This end sends its FIN again and again and nothing is acknowledged. What was seen does not tell whether the host there is down or the way to it is broken.',
    wouldTell: 'a capture on the peer’s side of the path: segments that arrive there mean that the host is at fault',
    evidence: [
      { fact: 'retransmissions without an acknowledgement', value: 7, source: 'sock_diag idiag_retrans' },
      {
        fact: 'time since the last acknowledgement',
        value: '51 s',
        source: 'TCP_INFO tcpi_last_ack_recv',
      },
    ],
    forecast: {
      kind: 'at',
      earliestMs: 1_200,
      latestMs: 205_000,
      modes: [
        { earliestMs: 1_200, latestMs: 1_456 },
        { earliestMs: 102_400, latestMs: 205_000 },
      ],
      because:
        'the peer acknowledges nothing and no process holds the socket; the kernel gives up when tcp_orphan_retries is used up (unless the program had set TCP_USER_TIMEOUT)',
    },
    remedies: [{ id: 'wait', what: 'leave it: the kernel gives up by itself at the forecast time' }],
    sockets: refs(blue, [1]),
    age: { fromMs: 51_000 },
    namespace: blue,
  };
  const overflow: Finding = {
    rule: 'time-wait-overflow',
    blame: 'kernel-setting',
    severity: 'critical',
    count: 262_144,
    title: '262,144 TIME_WAIT sockets fill net.ipv4.tcp_max_tw_buckets \u001b[31mevil\u0007',
    cause: 'Closing connections are forgotten at once instead of waiting.',
    evidence: [{ fact: 'TcpExt.TCPTimeWaitOverflow', value: '1,204 in 1 s', source: '/proc/net/netstat' }],
    forecast: { kind: 'when', because: 'fewer connections are closed here first' },
    remedies: [
      {
        id: 'sysctl',
        what: 'raise the limit',
        command: 'lastack tune set tcp_max_tw_buckets=524288',
        cost: 'about 250 bytes of memory for each',
      },
    ],
    sockets: [],
    namespace: host,
  };
  return {
    observation: observationOf([host, blue], {
      owners: new Map([[900, [{ pid: 99, command: 'curl', fd: 5 }]]]),
      notes: [
        {
          what: 'sockets that 12 processes may hold not matched to an owner',
          because: 'permission denied',
          todo: 'run as root or with CAP_SYS_PTRACE',
          incomplete: false,
        },
      ],
    }),
    findings: [overflow, leak, stuck],
    capabilities: [
      {
        id: 'namespaces',
        what: 'sockets of other network namespaces',
        available: true,
        because: 'CAP_SYS_ADMIN is effective',
      },
      {
        id: 'owners',
        what: 'holders of sockets among processes of other users',
        available: false,
        because: 'CAP_SYS_PTRACE is missing',
        todo: 'run as root or with CAP_SYS_PTRACE',
      },
      {
        id: 'socket-options',
        what: 'TCP_USER_TIMEOUT and keepalive settings of other programs',
        available: false,
        because: 'CAP_SYS_PTRACE is missing',
        todo: 'run as root or with CAP_SYS_PTRACE',
      },
      {
        id: 'btf',
        what: 'reading kernel structures (BTF)',
        available: false,
        because: '/sys/kernel/btf/vmlinux is missing',
        todo: 'use a kernel with CONFIG_DEBUG_INFO_BTF',
      },
    ],
    tookMs: 128,
  };
}
