import type { TcpInfo } from '@lastack/core';
import { LITTLE_ENDIAN } from './netlink.ts';

/** Bytes of struct tcp_info that lastack reads; a longer one is cut, a shorter one leaves fields undefined. */
export const TCP_INFO_BYTES = 248;
/** Present on every kernel since 2.6: anything shorter is not a tcp_info. */
export const TCP_INFO_MINIMUM_BYTES = 104;

/** Byte offsets in struct tcp_info (include/uapi/linux/tcp.h). */
export const TcpInfoField = {
  state: 0,
  retransmits: 2,
  probes: 3,
  backoff: 4,
  options: 5,
  rtoUs: 8,
  unacked: 24,
  lastDataSentMs: 44,
  lastDataReceivedMs: 52,
  lastAckReceivedMs: 56,
  rttUs: 68,
  rttVarianceUs: 72,
  totalRetransmits: 100,
  bytesAcked: 120,
  bytesReceived: 128,
  notSentBytes: 144,
  bytesSent: 200,
  sendWindow: 228,
  receiveWindow: 232,
  totalRto: 240,
  totalRtoRecoveries: 242,
  totalRtoTimeMs: 244,
} as const;

/** Decodes the structure at `at`. `length` is what the kernel sent; fields beyond it are undefined, never 0. */
export function decodeTcpInfo(view: DataView, at: number, length: number): TcpInfo | undefined {
  if (length < TCP_INFO_MINIMUM_BYTES) return undefined;
  const u32 = (offset: number) => view.getUint32(at + offset, LITTLE_ENDIAN);
  const u32If = (offset: number) => (offset + 4 <= length ? u32(offset) : undefined);
  const u16If = (offset: number) => (offset + 2 <= length ? view.getUint16(at + offset, LITTLE_ENDIAN) : undefined);
  const u64If = (offset: number) => (offset + 8 <= length ? view.getBigUint64(at + offset, LITTLE_ENDIAN) : undefined);
  return {
    retransmits: view.getUint8(at + TcpInfoField.retransmits),
    probes: view.getUint8(at + TcpInfoField.probes),
    backoff: view.getUint8(at + TcpInfoField.backoff),
    options: view.getUint8(at + TcpInfoField.options),
    rtoMs: u32(TcpInfoField.rtoUs) / 1000,
    unackedSegments: u32(TcpInfoField.unacked),
    lastDataSentMs: u32(TcpInfoField.lastDataSentMs),
    lastDataReceivedMs: u32(TcpInfoField.lastDataReceivedMs),
    lastAckReceivedMs: u32(TcpInfoField.lastAckReceivedMs),
    rttUs: u32(TcpInfoField.rttUs),
    rttVarianceUs: u32(TcpInfoField.rttVarianceUs),
    totalRetransmits: u32(TcpInfoField.totalRetransmits),
    bytesAcked: u64If(TcpInfoField.bytesAcked),
    bytesReceived: u64If(TcpInfoField.bytesReceived),
    notSentBytes: u32If(TcpInfoField.notSentBytes),
    bytesSent: u64If(TcpInfoField.bytesSent),
    sendWindow: u32If(TcpInfoField.sendWindow),
    receiveWindow: u32If(TcpInfoField.receiveWindow),
    totalRto: u16If(TcpInfoField.totalRto),
    totalRtoRecoveries: u16If(TcpInfoField.totalRtoRecoveries),
    totalRtoTimeMs: u32If(TcpInfoField.totalRtoTimeMs),
  };
}
