import { IPPROTO_TCP } from '../wire/inet_diag.ts';
import { LITTLE_ENDIAN } from '../wire/netlink.ts';
import { IPV6_HEADER_BYTES } from './ipv6.ts';
import { TcpFlag } from './tcp.ts';

/**
 * Programs of the classic packet filter (linux/filter.h) for packets that begin with their IP header. They only keep
 * the flood away: addresses are not compared, so whatever passes is still to be checked.
 */
export const FILTER_INSTRUCTION_BYTES = 8;

const Code = {
  LOAD_BYTE: 0x30,
  LOAD_HALF: 0x28,
  LOAD_WORD_AT_X: 0x40,
  LOAD_BYTE_AT_X: 0x50,
  IPV4_HEADER_BYTES_TO_X: 0xb1,
  CONSTANT_TO_X: 0x01,
  SHIFT_RIGHT: 0x74,
  AND: 0x54,
  JUMP: 0x05,
  JUMP_IF_EQUAL: 0x15,
  JUMP_IF_ANY_BIT: 0x45,
  RETURN: 0x06,
} as const;

type Label = 'next' | 'ipv6' | 'test' | 'accept' | 'refuse';
interface Instruction {
  /** What jumps may name this instruction. */
  label?: Label;
  code: number;
  operand: number;
  /** Where a conditional jump leads; `next` by default. An unconditional one goes to `yes`. */
  yes?: Label;
  no?: Label;
}

/** Leaves the offset of the TCP header in X; what is not TCP over IPv4 or IPv6, or a later fragment, is refused. */
const FIND_TCP: readonly Instruction[] = [
  { code: Code.LOAD_BYTE, operand: 0 },
  { code: Code.SHIFT_RIGHT, operand: 4 },
  { code: Code.JUMP_IF_EQUAL, operand: 4, no: 'ipv6' },
  { code: Code.LOAD_BYTE, operand: 9 },
  { code: Code.JUMP_IF_EQUAL, operand: IPPROTO_TCP, no: 'refuse' },
  { code: Code.LOAD_HALF, operand: 6 },
  { code: Code.JUMP_IF_ANY_BIT, operand: 0x1fff, yes: 'refuse' },
  { code: Code.IPV4_HEADER_BYTES_TO_X, operand: 0 },
  { code: Code.JUMP, operand: 0, yes: 'test' },
  { label: 'ipv6', code: Code.JUMP_IF_EQUAL, operand: 6, no: 'refuse' },
  { code: Code.LOAD_BYTE, operand: 6 },
  { code: Code.JUMP_IF_EQUAL, operand: IPPROTO_TCP, no: 'refuse' },
  { code: Code.CONSTANT_TO_X, operand: IPV6_HEADER_BYTES },
];
const END: readonly Instruction[] = [
  { label: 'accept', code: Code.RETURN, operand: 0xffff_ffff },
  { label: 'refuse', code: Code.RETURN, operand: 0 },
];

/** Both directions between these two ports. */
export function portPairFilter(one: number, other: number): Uint8Array {
  const ports = (source: number, destination: number) => ((source << 16) | destination) >>> 0;
  return assemble([
    ...FIND_TCP,
    { label: 'test', code: Code.LOAD_WORD_AT_X, operand: 0 },
    { code: Code.JUMP_IF_EQUAL, operand: ports(one, other), yes: 'accept' },
    { code: Code.JUMP_IF_EQUAL, operand: ports(other, one), no: 'refuse' },
    ...END,
  ]);
}

/** First SYNs of connections and their repetitions; no SYN-ACKs. */
export function connectionAttemptFilter(): Uint8Array {
  const { FIN, SYN, RST, ACK } = TcpFlag;
  return assemble([
    ...FIND_TCP,
    { label: 'test', code: Code.LOAD_BYTE_AT_X, operand: 13 },
    { code: Code.AND, operand: FIN | SYN | RST | ACK },
    { code: Code.JUMP_IF_EQUAL, operand: SYN, no: 'refuse' },
    ...END,
  ]);
}

/** struct sock_filter: u16 code, u8 jump if true, u8 jump if false (instructions to skip), u32 operand. */
function assemble(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * FILTER_INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, operand, yes = 'next', no = 'next' }, index) => {
    const skip = (label: Label) =>
      label === 'next' ? 0 : instructions.findIndex((candidate) => candidate.label === label) - index - 1;
    const at = index * FILTER_INSTRUCTION_BYTES;
    view.setUint16(at, code, LITTLE_ENDIAN);
    // An unconditional jump has its distance in the operand.
    if (code === Code.JUMP) view.setUint32(at + 4, skip(yes), LITTLE_ENDIAN);
    else {
      view.setUint8(at + 2, skip(yes));
      view.setUint8(at + 3, skip(no));
      view.setUint32(at + 4, operand, LITTLE_ENDIAN);
    }
  });
  return bytes;
}
