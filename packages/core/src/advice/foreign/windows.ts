import { type ForeignSetting, MILLISECONDS, TIME_WAIT_IS_CONSTANT } from './foreign_setting.ts';

const WINDOWS = ['windows'] as const;

/** Values of HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters, and what took their place. */
export const WINDOWS_SETTINGS: readonly ForeignSetting[] = [
  {
    name: 'TcpTimedWaitDelay',
    systems: WINDOWS,
    governs: 'how long TIME_WAIT lasts, in seconds',
    here: [],
    note: TIME_WAIT_IS_CONSTANT,
  },
  {
    name: 'MaxUserPort',
    systems: WINDOWS,
    governs: 'the last port that connect() may choose, in old versions',
    here: ['ip_local_port_range'],
    note: 'It is the second of the two numbers.',
  },
  {
    name: 'KeepAliveTime',
    systems: WINDOWS,
    governs: 'silence before the first keepalive probe, in milliseconds',
    here: ['tcp_keepalive_time'],
    note: 'Only sockets that ask for SO_KEEPALIVE obey.',
    perUnit: MILLISECONDS,
  },
  {
    name: 'KeepAliveInterval',
    systems: WINDOWS,
    governs: 'time between keepalive probes, in milliseconds',
    here: ['tcp_keepalive_intvl'],
    perUnit: MILLISECONDS,
  },
  {
    name: 'TcpMaxDataRetransmissions',
    systems: WINDOWS,
    governs: 'how many retransmissions there are before a connection is given up',
    here: ['tcp_retries2', 'tcp_orphan_retries'],
    note: 'Here sockets that no program holds have a limit of their own.',
  },
  {
    name: 'TcpMaxConnectRetransmissions',
    systems: WINDOWS,
    governs: 'how many SYNs are repeated',
    here: ['tcp_syn_retries'],
    perUnit: 1,
  },
  {
    name: 'TcpNumConnections',
    systems: WINDOWS,
    governs: 'how many connections there may be',
    here: [],
    note: 'Linux has no such limit: memory (tcp_mem), descriptors and ports are what runs out.',
  },
  {
    name: 'MaxFreeTcbs',
    systems: WINDOWS,
    governs: 'how many connection records are kept ready, TIME_WAIT included',
    here: ['tcp_max_tw_buckets'],
  },
  {
    name: 'StrictTimeWaitSeqCheck',
    systems: WINDOWS,
    governs: 'how strictly TIME_WAIT looks at sequence numbers before it gives way',
    here: [],
    note: 'Linux always checks them; with timestamps as well.',
  },
];
