import { LITTLE_ENDIAN } from './netlink.ts';

/**
 * Programs that the kernel runs on each socket of a dump (INET_DIAG_REQ_BYTECODE; inet_diag_bc_run and
 * inet_diag_bc_audit in net/ipv4/inet_diag.c, operations in include/uapi/linux/inet_diag.h). An operation is
 * struct inet_diag_bc_op (u8 code, u8 yes, u16 no) and its operand; `yes` and `no` are the bytes to go on by. A program
 * accepts a socket by arriving exactly at its end, and rejects it by jumping four bytes beyond.
 */
export const BytecodeOp = {
  NOP: 0,
  JMP: 1,
  S_GE: 2,
  S_LE: 3,
  D_GE: 4,
  D_LE: 5,
  AUTO: 6,
  S_COND: 7,
  D_COND: 8,
  DEV_COND: 9,
  MARK_COND: 10,
  CGROUP_COND: 13,
} as const;

export const OP_BYTES = 4;
/** In a host condition: the port does not matter. */
export const ANY_PORT = -1;
const AF_INET = 2;
const AF_INET6 = 10;
const HOSTCOND_BYTES = 8;

/** A program or part of one: arrives at its end where it holds, four bytes beyond where it does not. */
export type Code = Uint8Array;

/** An operation that goes on when it holds and leaves by `end + 4` when not. */
export function operation(code: number, operand: Uint8Array = new Uint8Array(0)): Code {
  const length = OP_BYTES + operand.length;
  const bytes = new Uint8Array(length);
  writeOp(bytes, 0, code, length, length + OP_BYTES);
  bytes.set(operand, OP_BYTES);
  return bytes;
}

export function never(): Code {
  const bytes = new Uint8Array(OP_BYTES);
  writeOp(bytes, 0, BytecodeOp.JMP, OP_BYTES, OP_BYTES * 2);
  return bytes;
}

/** `first`, then `second` only where `first` holds. */
export function join(first: Code, second: Code): Code {
  return joinAll([first, second]);
}

export function joinAll(parts: readonly Code[]): Code {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    // What left this part beyond its end must now leave the whole.
    redirectExits(bytes, at, part.length, bytes.length - at - part.length);
    at += part.length;
  }
  return bytes;
}

/** `second` where `first` does not hold; where it does, a jump over `second` to the end. */
export function either(first: Code, second: Code): Code {
  const bytes = new Uint8Array(first.length + OP_BYTES + second.length);
  bytes.set(first);
  // The rejecting way out of `first` arrives behind the jump as it is: at `second`.
  writeOp(bytes, first.length, BytecodeOp.JMP, OP_BYTES, OP_BYTES + second.length);
  bytes.set(second, first.length + OP_BYTES);
  return bytes;
}

/** Swaps the ways out: one more jump, taken where `code` holds, leaves beyond the end; else the end is reached. */
export function negate(code: Code): Code {
  const bytes = new Uint8Array(code.length + OP_BYTES);
  bytes.set(code);
  writeOp(bytes, code.length, BytecodeOp.JMP, OP_BYTES, OP_BYTES * 2);
  return bytes;
}

function redirectExits(bytes: Uint8Array, from: number, length: number, by: number): void {
  if (by === 0) return;
  const view = new DataView(bytes.buffer);
  for (let at = from; at < from + length; at += view.getUint8(at + 1)) {
    const no = view.getUint16(at + 2, LITTLE_ENDIAN);
    if (at + no === from + length + OP_BYTES) view.setUint16(at + 2, no + by, LITTLE_ENDIAN);
  }
}

function writeOp(bytes: Uint8Array, at: number, code: number, yes: number, no: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint8(at, code);
  view.setUint8(at + 1, yes);
  view.setUint16(at + 2, no, LITTLE_ENDIAN);
}

/** Port comparisons hold their port in the `no` of a second operation. */
export function portOperand(port: number): Uint8Array {
  const bytes = new Uint8Array(OP_BYTES);
  writeOp(bytes, 0, BytecodeOp.NOP, 0, port);
  return bytes;
}

/** struct inet_diag_hostcond: u8 family, u8 prefix_len, s32 port (-1: any), address in network order. */
export function hostCondition(address: readonly number[] | undefined, prefixBits: number, port: number): Uint8Array {
  const bytes = new Uint8Array(HOSTCOND_BYTES + (address?.length ?? 0));
  bytes[0] = address === undefined ? 0 : address.length === 4 ? AF_INET : AF_INET6;
  bytes[1] = prefixBits;
  new DataView(bytes.buffer).setInt32(4, port, LITTLE_ENDIAN);
  bytes.set(address ?? [], HOSTCOND_BYTES);
  return bytes;
}

export function u32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, LITTLE_ENDIAN);
  });
  return bytes;
}

export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, LITTLE_ENDIAN);
  return bytes;
}
