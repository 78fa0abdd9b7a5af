/** `struct pollfd` is int fd, short events, short revents. */
const POLLFD_BYTES = 8;
export const MAX_POLL_ENTRIES = 4096;
/** Twice what fits a process at its usual limit; a select set is one bit for each descriptor. */
const MAX_SELECT_BITS = 65_536;

/** Copies `length` bytes of a process's memory from an address; undefined when that may not or cannot be read. */
export type ReadMemory = (address: bigint, length: number) => Buffer | undefined;

export interface WatchedDescriptors {
  fds: number[];
  /** Why this is not the whole set. */
  incomplete?: string;
}

/** The descriptors of a poll or ppoll call from its arguments (array, count). Negative entries are ignored by the kernel. */
export function pollDescriptors(callArguments: readonly bigint[], readMemory: ReadMemory): WatchedDescriptors {
  const [address, count] = callArguments;
  // nfds is unsigned int: the upper half of the register is not part of it.
  const wanted = Number(BigInt.asUintN(32, count));
  const entries = Math.min(wanted, MAX_POLL_ENTRIES);
  if (entries === 0) return { fds: [] };
  const memory = readMemory(address, entries * POLLFD_BYTES);
  if (memory === undefined) return { fds: [], incomplete: 'the poll array could not be read' };
  const fds: number[] = [];
  for (let at = 0; at + POLLFD_BYTES <= memory.length; at += POLLFD_BYTES) {
    const fd = memory.readInt32LE(at);
    if (fd >= 0) fds.push(fd);
  }
  const read = Math.trunc(memory.length / POLLFD_BYTES);
  return read < wanted ? { fds, incomplete: `only ${read} of ${wanted} poll entries were read` } : { fds };
}

/** The descriptors of a select or pselect6 call from its arguments (count, read set, write set, exception set). */
export function selectDescriptors(callArguments: readonly bigint[], readMemory: ReadMemory): WatchedDescriptors {
  const wanted = Number(BigInt.asIntN(32, callArguments[0]));
  const bits = Math.min(Math.max(wanted, 0), MAX_SELECT_BITS);
  const fds = new Set<number>();
  let incomplete = bits < wanted ? `only ${bits} of ${wanted} select bits were read` : undefined;
  for (const address of callArguments.slice(1, 4)) {
    if (address === 0n || bits === 0) continue;
    // The kernel reads whole 64-bit words.
    const memory = readMemory(address, Math.ceil(bits / 64) * 8);
    if (memory === undefined) incomplete = 'a select set could not be read';
    else for (const fd of setBits(memory, bits)) fds.add(fd);
  }
  const sorted = [...fds].sort((left, right) => left - right);
  return incomplete === undefined ? { fds: sorted } : { fds: sorted, incomplete };
}

function* setBits(memory: Uint8Array, bits: number): Generator<number> {
  for (let index = 0; index < memory.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const fd = index * 8 + bit;
      if (fd < bits && (memory[index] >> bit) & 1) yield fd;
    }
  }
}

export interface EpollTarget {
  fd: number;
  /** Inode of the file that is watched. It may live on under this entry when its descriptor number has a new file. */
  inode?: number;
}

/** `tfd:` lines of /proc/PID/fdinfo/FD of an epoll set. */
export function parseEpollTargets(text: string): EpollTarget[] {
  const targets: EpollTarget[] = [];
  for (const line of text.split('\n')) {
    const fd = /^tfd:\s*(\d+)\s/.exec(line)?.[1];
    if (fd === undefined) continue;
    const inode = /\sino:([0-9a-f]+)/.exec(line)?.[1];
    targets.push(inode === undefined ? { fd: Number(fd) } : { fd: Number(fd), inode: Number.parseInt(inode, 16) });
  }
  return targets;
}
