import { KernelError } from '../errors.ts';

/** struct nlmsghdr and the attribute layout (include/uapi/linux/netlink.h). All fields in host byte order. */
export const NLMSG_HEADER_BYTES = 16;
export const NlmsgType = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;
export const NlmFlag = { REQUEST: 1, ACK: 4, DUMP_INTR: 0x10, DUMP: 0x300 } as const;

export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export const align4 = (length: number): number => (length + 3) & ~3;

/** Writes one message: header, body, attributes (each `[type, value]`). */
export function encodeMessage(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
  attributes: readonly (readonly [type: number, value: Uint8Array])[] = [],
): Uint8Array {
  const attributesBytes = attributes.reduce((sum, [, value]) => sum + align4(4 + value.length), 0);
  const bytes = new Uint8Array(NLMSG_HEADER_BYTES + align4(body.length) + attributesBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, flags, LITTLE_ENDIAN);
  view.setUint32(8, sequence, LITTLE_ENDIAN);
  bytes.set(body, NLMSG_HEADER_BYTES);
  let at = NLMSG_HEADER_BYTES + align4(body.length);
  for (const [attribute, value] of attributes) {
    view.setUint16(at, 4 + value.length, LITTLE_ENDIAN);
    view.setUint16(at + 2, attribute, LITTLE_ENDIAN);
    bytes.set(value, at + 4);
    at += align4(4 + value.length);
  }
  return bytes;
}

/** The errno (positive, 0 = acknowledged) in an NLMSG_ERROR or NLMSG_DONE body. @throws KernelError when too short */
export function errorOf(view: DataView, body: number, end: number): number {
  if (end - body < 4) throw new KernelError('reading a netlink error reply', 0, { detail: 'it is too short' });
  return -view.getInt32(body, LITTLE_ENDIAN);
}
