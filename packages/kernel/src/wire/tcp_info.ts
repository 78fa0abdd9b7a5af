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

/**
 * The structure at `at`, read in place: a field is decoded when it is asked for. `length` is what the kernel sent;
 * fields beyond it are undefined, never 0. The bytes must not change while the object is in use.
 */
export function readTcpInfo(view: DataView, at: number, length: number): TcpInfo | undefined {
  return length < TCP_INFO_MINIMUM_BYTES ? undefined : new TcpInfoReader(view, at, length);
}

class TcpInfoReader implements TcpInfo {
  readonly #view: DataView;
  readonly #at: number;
  readonly #length: number;

  constructor(view: DataView, at: number, length: number) {
    this.#view = view;
    this.#at = at;
    this.#length = length;
  }

  get retransmits() {
    return this.#view.getUint8(this.#at + TcpInfoField.retransmits);
  }
  get probes() {
    return this.#view.getUint8(this.#at + TcpInfoField.probes);
  }
  get backoff() {
    return this.#view.getUint8(this.#at + TcpInfoField.backoff);
  }
  get options() {
    return this.#view.getUint8(this.#at + TcpInfoField.options);
  }
  get rtoMs() {
    return this.#u32(TcpInfoField.rtoUs) / 1000;
  }
  get unackedSegments() {
    return this.#u32(TcpInfoField.unacked);
  }
  get lastDataSentMs() {
    return this.#u32(TcpInfoField.lastDataSentMs);
  }
  get lastDataReceivedMs() {
    return this.#u32(TcpInfoField.lastDataReceivedMs);
  }
  get lastAckReceivedMs() {
    return this.#u32(TcpInfoField.lastAckReceivedMs);
  }
  get rttUs() {
    return this.#u32(TcpInfoField.rttUs);
  }
  get rttVarianceUs() {
    return this.#u32(TcpInfoField.rttVarianceUs);
  }
  get totalRetransmits() {
    return this.#u32(TcpInfoField.totalRetransmits);
  }
  get bytesAcked() {
    return this.#u64If(TcpInfoField.bytesAcked);
  }
  get bytesReceived() {
    return this.#u64If(TcpInfoField.bytesReceived);
  }
  get notSentBytes() {
    return this.#u32If(TcpInfoField.notSentBytes);
  }
  get bytesSent() {
    return this.#u64If(TcpInfoField.bytesSent);
  }
  get sendWindow() {
    return this.#u32If(TcpInfoField.sendWindow);
  }
  get receiveWindow() {
    return this.#u32If(TcpInfoField.receiveWindow);
  }
  get totalRto() {
    return this.#u16If(TcpInfoField.totalRto);
  }
  get totalRtoRecoveries() {
    return this.#u16If(TcpInfoField.totalRtoRecoveries);
  }
  get totalRtoTimeMs() {
    return this.#u32If(TcpInfoField.totalRtoTimeMs);
  }

  #u32(offset: number): number {
    return this.#view.getUint32(this.#at + offset, LITTLE_ENDIAN);
  }
  #u32If(offset: number): number | undefined {
    return offset + 4 <= this.#length ? this.#u32(offset) : undefined;
  }
  #u16If(offset: number): number | undefined {
    return offset + 2 <= this.#length ? this.#view.getUint16(this.#at + offset, LITTLE_ENDIAN) : undefined;
  }
  /** As a number: no connection carries 2^53 bytes. */
  #u64If(offset: number): number | undefined {
    if (offset + 8 > this.#length) return undefined;
    return Number(this.#view.getBigUint64(this.#at + offset, LITTLE_ENDIAN));
  }
}
