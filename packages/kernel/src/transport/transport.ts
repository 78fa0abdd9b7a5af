/**
 * A netlink socket, reduced to bytes. Everything above it works the same over the real kernel, a recording and a
 * transport that injects faults.
 */
export interface NetlinkTransport {
  /** Sends one datagram. @throws KernelError */
  send(datagram: Uint8Array): void;
  /** Sends one datagram from another thread, for requests that keep the kernel busy. Rejects with KernelError. */
  sendAside?(datagram: Uint8Array): Promise<void>;
  /**
   * Receives at least one datagram and at most one per buffer. Returns their true lengths, in order; one exceeds its
   * buffer's when the datagram was cut. Waits at most the transport's time limit. The same array of buffers should be
   * given again and again. Rejects with KernelError; EINTR is retried below this interface.
   */
  receive(buffers: readonly Uint8Array[]): Promise<number[]>;
  close(): void;
}

export const NetlinkProtocol = { ROUTE: 0, SOCK_DIAG: 4, NETFILTER: 12 } as const;
