/**
 * What the lab asks of an actor, as one JSON line each way: `{id, call, with}` and `{id, value}` or `{id, error}`.
 * Both sides compile against this file, so a request that the actor does not know does not build.
 */
export interface Endpoint {
  address: string;
  port: number;
}

/** Level and name of a socket option on Linux (x86, ARM, RISC-V; some older architectures number SO_* differently). */
export const SocketOption = {
  SO_REUSEADDR: [1, 2],
  SO_SNDBUF: [1, 7],
  SO_RCVBUF: [1, 8],
  SO_KEEPALIVE: [1, 9],
  SO_REUSEPORT: [1, 15],
  IPV6_V6ONLY: [41, 26],
  TCP_NODELAY: [6, 1],
  TCP_KEEPIDLE: [6, 4],
  TCP_KEEPINTVL: [6, 5],
  TCP_KEEPCNT: [6, 6],
  TCP_SYNCNT: [6, 7],
  TCP_LINGER2: [6, 8],
  TCP_USER_TIMEOUT: [6, 18],
} as const;

export type SocketOptionName = keyof typeof SocketOption;
export type SocketOptionValues = Partial<Record<SocketOptionName, number>>;

/** One line of /proc/net/tcp or tcp6, decoded. Times in milliseconds, queues in bytes. */
export interface ProcSocket {
  local: Endpoint;
  remote: Endpoint;
  /** Kernel state number (core's TcpState; a half-open request prints as 3, SYN_RECV). */
  state: number;
  sendQueue: number;
  receiveQueue: number;
  /** 0 none, 1 retransmission, 2 keepalive or FIN_WAIT2, 3 TIME_WAIT, 4 zero-window probe. */
  timer: number;
  expiresMs: number;
  retransmits: number;
  probes: number;
  inode: number;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Every request by name: what it takes and what it gives. Descriptors are numbers in the actor's own table. */
export interface Calls {
  /** Listens; port 0 in `at` lets the kernel choose. */
  listen(request: { at: Endpoint; backlog: number; options?: SocketOptionValues }): { fd: number; port: number };
  /** Binds and leaves it at that. */
  bind(request: { at: Endpoint; options?: SocketOptionValues }): { fd: number; port: number };
  /** Connects without blocking. `limitMs` 0 does not wait; otherwise fails with ETIMEDOUT when not done by then. */
  connect(request: { to: Endpoint; from?: Endpoint; limitMs: number; options?: SocketOptionValues }): {
    fd: number;
    port: number;
  };
  accept(request: { fd: number; limitMs: number }): { fd: number; remote: Endpoint };
  /** Sends at most `bytes`; gives how many the kernel took (0 when it would block). */
  send(request: { fd: number; bytes: number }): number;
  /** Sends until the kernel takes nothing for `quietMs`; gives the total. */
  fill(request: { fd: number; quietMs: number }): number;
  /** Reads once, waiting at most `limitMs`: bytes read, 0 at end of file; fails with EAGAIN when nothing came. */
  receive(request: { fd: number; bytes: number; limitMs: number }): number;
  shutdown(request: { fd: number; how: 'read' | 'write' | 'both' }): void;
  close(request: { fds: number[] }): void;
  /** Closes with a reset (SO_LINGER 0). */
  abort(request: { fds: number[] }): void;
  setOption(request: { fd: number; name: SocketOptionName; value: number }): void;
  getOption(request: { fd: number; name: SocketOptionName }): number;
  /** SO_ERROR: the pending errno, 0 when none. */
  pendingError(request: { fd: number }): number;
  /** Opens `count` connections to `to`, not waiting for any longer than `limitMs` (0: not at all). */
  connectMany(request: { to: Endpoint; count: number; limitMs: number; options?: SocketOptionValues }): {
    fds: number[];
    ports: number[];
  };
  acceptMany(request: { fd: number; count: number; limitMs: number }): { fds: number[]; ports: number[] };
  /** Writes /proc/sys/net/ipv4/NAME … as this namespace sees it. Names are paths below /proc/sys/net. */
  setSysctl(request: { values: Record<string, string | number> }): void;
  getSysctl(request: { name: string }): string;
  /** The sockets of this namespace and family as /proc/net/tcp shows them. */
  sockets(request: { family: 4 | 6 }): ProcSocket[];
  /** Runs a program inside this namespace, without a shell. */
  run(request: { file: string; args: string[]; input?: string; limitMs: number }): RunResult;
  /** Starts a child process that holds a copy of the descriptor as well; gives its pid. */
  shareWithChild(request: { fd: number; name: string }): { pid: number };
  /** An ordinary event-loop server: answers, keeps connections open, closes when the client does. */
  serve(request: { at: Endpoint; replyAfterMs: number }): { port: number };
  /** Ordinary client traffic in the background, until the actor ends. */
  churn(request: {
    to: Endpoint;
    perSecond: number;
    halfClosePerSecond: number;
    keepOpen: number;
    total?: number;
  }): void;
  /** How many churned connections have ended so far. */
  churned(request: Record<string, never>): number;
  /** Over loopback, both ends here: leaves `count` TIME_WAIT with explicit source addresses and ports. */
  bulkTimeWait(request: BulkRequest): number;
  /** Over loopback, both ends here: holds `count` FIN_WAIT2 and as many CLOSE_WAIT. */
  bulkHalfClosed(request: BulkRequest): number;
  /** Resident set of the actor, bytes. */
  residentBytes(request: Record<string, never>): number;
}

export interface BulkRequest {
  to: Endpoint;
  count: number;
  /** Source addresses; each serves the ports from firstPort to lastPort. */
  sources: string[];
  firstPort: number;
  lastPort: number;
}

export type CallName = keyof Calls;
export type RequestOf<K extends CallName> = Parameters<Calls[K]>[0];
export type ValueOf<K extends CallName> = ReturnType<Calls[K]>;

export interface RequestLine {
  id: number;
  call: CallName;
  with: unknown;
}

export interface FailureLine {
  message: string;
  /** Symbolic errno (`ECONNREFUSED`) where a system call failed. */
  code?: string;
}

export interface ReplyLine {
  id: number;
  value?: unknown;
  error?: FailureLine;
}

/** First line of an actor, once it is in its namespace. */
export interface ReadyLine {
  ready: true;
  pid: number;
  /** `net:[4026531840]` */
  netns: string;
}
