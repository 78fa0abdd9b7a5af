/** Machines whose system call numbers are known; elsewhere calls are shown by number. */
export type Machine = 'x64' | 'arm64';

/** How the descriptors of a call are found in its arguments: their positions, or the set that one argument points at. */
export type DescriptorArguments = readonly number[] | 'poll' | 'select';

export interface KnownCall {
  name: string;
  descriptors: DescriptorArguments;
}

type Numbers = readonly [x64: number | undefined, arm64: number | undefined];

const NONE: readonly number[] = [];
const FIRST: readonly number[] = [0];

// Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
const CALLS: readonly (readonly [name: string, numbers: Numbers, descriptors: DescriptorArguments])[] = [
  ['read', [0, 63], FIRST],
  ['write', [1, 64], FIRST],
  ['readv', [19, 65], FIRST],
  ['writev', [20, 66], FIRST],
  ['pread64', [17, 67], FIRST],
  ['pwrite64', [18, 68], FIRST],
  ['preadv', [295, 69], FIRST],
  ['pwritev', [296, 70], FIRST],
  ['recvfrom', [45, 207], FIRST],
  ['recvmsg', [47, 212], FIRST],
  ['recvmmsg', [299, 243], FIRST],
  ['sendto', [44, 206], FIRST],
  ['sendmsg', [46, 211], FIRST],
  ['sendmmsg', [307, 269], FIRST],
  ['accept', [43, 202], FIRST],
  ['accept4', [288, 242], FIRST],
  ['connect', [42, 203], FIRST],
  ['shutdown', [48, 210], FIRST],
  ['getsockopt', [55, 209], FIRST],
  ['setsockopt', [54, 208], FIRST],
  ['close', [3, 57], FIRST],
  ['fcntl', [72, 25], FIRST],
  ['ioctl', [16, 29], FIRST],
  ['flock', [73, 32], FIRST],
  ['fsync', [74, 82], FIRST],
  ['fdatasync', [75, 83], FIRST],
  ['openat', [257, 56], NONE],
  ['sendfile', [40, 71], [0, 1]],
  ['splice', [275, 76], [0, 2]],
  ['tee', [276, 77], [0, 1]],
  ['vmsplice', [278, 75], FIRST],
  ['poll', [7, undefined], 'poll'],
  ['ppoll', [271, 73], 'poll'],
  ['select', [23, undefined], 'select'],
  ['pselect6', [270, 72], 'select'],
  ['epoll_wait', [232, undefined], FIRST],
  ['epoll_pwait', [281, 22], FIRST],
  ['epoll_pwait2', [441, 441], FIRST],
  ['io_uring_enter', [426, 426], FIRST],
  ['io_getevents', [208, 4], NONE],
  ['futex', [202, 98], NONE],
  ['futex_waitv', [449, 449], NONE],
  ['futex_wait', [455, 455], NONE],
  ['nanosleep', [35, 101], NONE],
  ['clock_nanosleep', [230, 115], NONE],
  ['pause', [34, undefined], NONE],
  ['restart_syscall', [219, 128], NONE],
  ['rt_sigsuspend', [130, 133], NONE],
  ['rt_sigtimedwait', [128, 137], NONE],
  ['wait4', [61, 260], NONE],
  ['waitid', [247, 95], NONE],
  ['msgrcv', [70, 188], NONE],
  ['mq_timedreceive', [243, 183], NONE],
  ['semtimedop', [220, 192], NONE],
];

/** The call of that number, undefined when lastack does not know it. */
export type CallTable = ReadonlyMap<number, KnownCall>;

export function callTable(machine: Machine): CallTable {
  const table = new Map<number, KnownCall>();
  for (const [name, [x64, arm64], descriptors] of CALLS) {
    const number = machine === 'x64' ? x64 : arm64;
    if (number !== undefined) table.set(number, { name, descriptors });
  }
  return table;
}

/** What /proc/PID/task/TID/syscall says. `blocked`: waiting, but not inside a call (a page fault, stopped). */
export type PresentCall =
  | { kind: 'running' }
  | { kind: 'blocked' }
  | { kind: 'call'; number: number; arguments: readonly bigint[] };

/** Undefined for text that is none of the kernel's three forms. */
export function parsePresentCall(text: string): PresentCall | undefined {
  const words = text.trim().split(' ');
  if (words[0] === 'running') return { kind: 'running' };
  if (words[0] === '-1') return { kind: 'blocked' };
  if (!/^\d+$/.test(words[0]) || words.length < 7) return undefined;
  const rawArguments = words.slice(1, 7);
  if (!rawArguments.every((word) => /^0x[0-9a-f]{1,16}$/.test(word))) return undefined;
  return { kind: 'call', number: Number(words[0]), arguments: rawArguments.map(BigInt) };
}

/** Descriptors are 32-bit and signed whatever the register's upper half holds; a negative one is none. */
export function descriptorArgument(value: bigint): number | undefined {
  const fd = Number(BigInt.asIntN(32, value));
  return fd < 0 ? undefined : fd;
}
