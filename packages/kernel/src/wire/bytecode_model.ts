import { BytecodeOp } from './bytecode_code.ts';
import { LITTLE_ENDIAN } from './netlink.ts';

// For tests: how the kernel checks and runs filter programs, written after net/ipv4/inet_diag.c and not after our code.

/** What the kernel knows of a socket when it runs a program (struct inet_diag_entry). */
export interface Entry {
  family: 4 | 6;
  local: readonly number[];
  remote: readonly number[];
  localPort: number;
  remotePort: number;
  interfaceIndex: number;
  mark: number;
  cgroupId: bigint;
  /** SOCK_BINDPORT_LOCK is not set. */
  autobound: boolean;
}

const HOSTCOND_BYTES = 8;
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** inet_diag_bc_run of net/ipv4/inet_diag.c, Linux 6.x, line by line. */
export function run(bytes: Uint8Array, entry: Entry): boolean {
  const view = viewOf(bytes);
  let at = 0;
  let length = bytes.length;
  while (length > 0) {
    const yes = step(view, at, entry);
    const by = yes ? view.getUint8(at + 1) : view.getUint16(at + 2, LITTLE_ENDIAN);
    length -= by;
    at += by;
  }
  return length === 0;
}

function step(view: DataView, at: number, entry: Entry): boolean {
  const operand = at + 4;
  const port = () => view.getUint16(at + 4 + 2, LITTLE_ENDIAN);
  switch (view.getUint8(at)) {
    case BytecodeOp.NOP:
      return true;
    case BytecodeOp.JMP:
      return false;
    case BytecodeOp.S_GE:
      return entry.localPort >= port();
    case BytecodeOp.S_LE:
      return entry.localPort <= port();
    case BytecodeOp.D_GE:
      return entry.remotePort >= port();
    case BytecodeOp.D_LE:
      return entry.remotePort <= port();
    case BytecodeOp.AUTO:
      return entry.autobound;
    case BytecodeOp.S_COND:
      return hostCondition(view, operand, entry, entry.local, entry.localPort);
    case BytecodeOp.D_COND:
      return hostCondition(view, operand, entry, entry.remote, entry.remotePort);
    case BytecodeOp.DEV_COND:
      return view.getUint32(operand, LITTLE_ENDIAN) === entry.interfaceIndex;
    case BytecodeOp.MARK_COND:
      return (entry.mark & view.getUint32(operand + 4, LITTLE_ENDIAN)) >>> 0 === view.getUint32(operand, LITTLE_ENDIAN);
    case BytecodeOp.CGROUP_COND:
      return view.getBigUint64(operand, LITTLE_ENDIAN) === entry.cgroupId;
    default:
      return true;
  }
}

function hostCondition(view: DataView, at: number, entry: Entry, address: readonly number[], port: number): boolean {
  const family = view.getUint8(at);
  const bits = view.getUint8(at + 1);
  const wantedPort = view.getInt32(at + 4, LITTLE_ENDIAN);
  const matches = (from: number) => {
    for (let bit = 0; bit < bits; bit++) {
      const mask = 0x80 >> (bit & 7);
      if ((address[from + (bit >> 3)] ^ view.getUint8(at + HOSTCOND_BYTES + (bit >> 3))) & mask) return false;
    }
    return true;
  };
  if (wantedPort !== -1 && wantedPort !== port) return false;
  const entryFamily = entry.family === 4 ? 2 : 10;
  if (family !== 0 && family !== entryFamily) {
    const mapped = address.slice(0, 12).join() === '0,0,0,0,0,0,0,0,0,0,255,255';
    return entryFamily === 10 && family === 2 && mapped && matches(12);
  }
  return bits === 0 || matches(0);
}

/** inet_diag_bc_audit: 0, or the errno with which the kernel refuses the program. */
export function audit(bytes: Uint8Array, netAdmin: boolean): 0 | 'EINVAL' | 'EPERM' {
  const view = viewOf(bytes);
  if (bytes.length < 4) return 'EINVAL';
  const starts = new Set<number>();
  for (let at = 0; at < bytes.length; at += view.getUint8(at + 1)) {
    starts.add(at);
    if (view.getUint8(at + 1) < 4) return 'EINVAL';
  }
  let at = 0;
  let length = bytes.length;
  while (length > 0) {
    const code = view.getUint8(at);
    const yes = view.getUint8(at + 1);
    const no = view.getUint16(at + 2, LITTLE_ENDIAN);
    if (code === BytecodeOp.MARK_COND && !netAdmin) return 'EPERM';
    const needed = minimumLength(view, at, length);
    if (needed === undefined || length < needed) return 'EINVAL';
    if (code !== BytecodeOp.NOP) {
      if (no < needed || no > length + 4 || no & 3) return 'EINVAL';
      if (no < length && !starts.has(at + no)) return 'EINVAL';
    }
    if (yes < needed || yes > length + 4 || yes & 3) return 'EINVAL';
    at += yes;
    length -= yes;
  }
  return length === 0 ? 0 : 'EINVAL';
}

function minimumLength(view: DataView, at: number, length: number): number | undefined {
  switch (view.getUint8(at)) {
    case BytecodeOp.S_COND:
    case BytecodeOp.D_COND: {
      if (length < 4 + HOSTCOND_BYTES) return undefined;
      const addressBytes = { 0: 0, 2: 4, 10: 16 }[view.getUint8(at + 4)];
      if (addressBytes === undefined || view.getUint8(at + 5) > addressBytes * 8) return undefined;
      return 4 + HOSTCOND_BYTES + addressBytes;
    }
    case BytecodeOp.S_GE:
    case BytecodeOp.S_LE:
    case BytecodeOp.D_GE:
    case BytecodeOp.D_LE:
    case BytecodeOp.DEV_COND:
      return 8;
    case BytecodeOp.MARK_COND:
    case BytecodeOp.CGROUP_COND:
      return 12;
    case BytecodeOp.AUTO:
    case BytecodeOp.JMP:
    case BytecodeOp.NOP:
      return 4;
    default:
      return undefined;
  }
}
