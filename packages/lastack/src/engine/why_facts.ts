import {
  type Evidence,
  formatDuration,
  type PathEvidence,
  type Row,
  type SocketOptions,
  type SocketTable,
  type TcpInfo,
  TcpState,
  TimerCode,
} from '@lastack/core';

function thousands(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** What TCP_INFO says that matters in the socket's state; nothing where it was not read. */
export function infoFacts(table: SocketTable, row: Row): Evidence[] {
  const info = table.info(row);
  if (info === undefined) return [];
  const state = table.state(row);
  if (state === TcpState.LISTEN) return [];
  const timer = table.timer(row);
  const stalled = timer === TimerCode.RETRANSMIT || timer === TimerCode.ZERO_WINDOW_PROBE;
  return [
    ...(state === TcpState.SYN_SENT ? [] : clockFacts(info)),
    ...(stalled ? stallFacts(info, timer) : []),
    ...queueFacts(info, state, stalled || table.sendQueue(row) > 0),
    ...pathFacts(info, state),
  ];
}

function tcpInfo(fact: string, value: string | number, field: string): Evidence {
  return { fact, value, source: `TCP_INFO tcpi_${field}` };
}

/** A clock that never started counts from the beginning of the connection: still a lower bound on the silence. */
function clockFacts({ lastAckReceivedMs, lastDataReceivedMs, lastDataSentMs }: TcpInfo): Evidence[] {
  return [
    tcpInfo('since the last acknowledgement came', formatDuration(lastAckReceivedMs), 'last_ack_recv'),
    tcpInfo('since data last came', formatDuration(lastDataReceivedMs), 'last_data_recv'),
    tcpInfo('since data was last sent', formatDuration(lastDataSentMs), 'last_data_sent'),
  ];
}

function stallFacts(info: TcpInfo, timer: number): Evidence[] {
  const facts = [tcpInfo('retransmission timeout now', formatDuration(info.rtoMs), 'rto')];
  if (timer === TimerCode.ZERO_WINDOW_PROBE) {
    facts.push(tcpInfo('doublings of the probe interval', info.backoff, 'backoff'));
    facts.push(tcpInfo('probes without an answer', info.probes, 'probes'));
  } else {
    facts.push(tcpInfo('timeouts in a row', info.retransmits, 'retransmits'));
  }
  if (info.totalRtoRecoveries === 1 && info.totalRtoTimeMs !== undefined && info.retransmits > 0) {
    facts.push(tcpInfo('in timeouts for', formatDuration(info.totalRtoTimeMs), 'total_rto_time'));
  }
  return facts;
}

function queueFacts(info: TcpInfo, state: number, waiting: boolean): Evidence[] {
  if (!waiting) return [];
  const facts = [tcpInfo('segments sent and not acknowledged', info.unackedSegments, 'unacked')];
  if (info.notSentBytes !== undefined)
    facts.push(tcpInfo('bytes not sent yet', thousands(info.notSentBytes), 'notsent_bytes'));
  if (info.sendWindow !== undefined && state !== TcpState.SYN_SENT) {
    facts.push(tcpInfo('window the peer offers, bytes', thousands(info.sendWindow), 'snd_wnd'));
  }
  return facts;
}

function pathFacts(info: TcpInfo, state: number): Evidence[] {
  const facts: Evidence[] = [];
  // Before the handshake the kernel shows a guess.
  if (state !== TcpState.SYN_SENT && info.rttUs > 0) {
    facts.push(
      tcpInfo('round trip', info.rttUs < 1000 ? `${info.rttUs} µs` : formatDuration(info.rttUs / 1000), 'rtt'),
    );
  }
  facts.push(tcpInfo('retransmissions in its life', info.totalRetransmits, 'total_retrans'));
  const { bytesAcked, bytesReceived } = info;
  if (bytesAcked !== undefined && bytesReceived !== undefined && state !== TcpState.SYN_SENT) {
    facts.push(
      tcpInfo(
        // A connecting socket counts its SYN, an accepting one does not.
        'bytes acknowledged / received',
        `${thousands(bytesAcked)} / ${thousands(bytesReceived)} with SYN, FIN`,
        'bytes_acked, bytes_received',
      ),
    );
  }
  return facts;
}

/** Socket options as facts. */
export function optionFacts(options: SocketOptions): Evidence[] {
  const {
    keepalive,
    keepaliveIdleSeconds: idle,
    keepaliveIntervalSeconds: interval,
    keepaliveProbes: probes,
  } = options;
  const times = `on: first probe after ${idle} s, then every ${interval} s, ${probes} unanswered end it`;
  const facts: Evidence[] = [
    { fact: 'keepalive', value: keepalive ? times : 'off', source: 'getsockopt SO_KEEPALIVE' },
    {
      fact: 'TCP_USER_TIMEOUT',
      value: options.userTimeoutMs > 0 ? formatDuration(options.userTimeoutMs) : 'not set',
      source: 'getsockopt',
    },
    { fact: 'TCP_LINGER2', value: lingerText(options.linger2Seconds), source: 'getsockopt' },
  ];
  if (options.rtoMaxMs !== undefined) {
    facts.push({ fact: 'TCP_RTO_MAX_MS', value: formatDuration(options.rtoMaxMs), source: 'getsockopt' });
  }
  return facts;
}

function lingerText(seconds: number): string {
  return seconds < 0 ? 'no FIN_WAIT2 after close' : `${seconds} s`;
}

/** `on-link through eth0, neighbour REACHABLE`. */
export function pathText({ route, gateway, device, neighbour, carrier }: PathEvidence): string {
  const ways: Record<PathEvidence['route'], string> = {
    'on-link': 'on the same link',
    gateway: gateway === undefined ? 'through a gateway' : `through gateway ${gateway}`,
    local: 'an address of this namespace itself',
    none: 'no route',
    blackhole: 'a route that drops everything',
    unknown: 'route not known',
  };
  const parts = [device === undefined ? ways[route] : `${ways[route]}, device ${device}`];
  if (neighbour !== undefined) parts.push(`${gateway ?? 'peer'} on the link: ${neighbour}`);
  if (carrier === false) parts.push('no carrier');
  return parts.join(', ');
}
