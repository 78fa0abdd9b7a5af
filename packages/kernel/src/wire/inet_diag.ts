import { align4, encodeMessage, LITTLE_ENDIAN, NlmFlag } from './netlink.ts';

/** Requests of the sock_diag family (include/uapi/linux/{sock_diag,inet_diag}.h). */
export const SOCK_DIAG_BY_FAMILY = 20;
/** The older request type: its handler walks IPv4 and IPv6 sockets in one go, which type 20 refuses (ENOENT). */
export const TCPDIAG_GETSOCK = 18;

export const IPPROTO_TCP = 6;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Request attribute that carries a filter program. */
export const INET_DIAG_REQ_BYTECODE = 1;

/** Reply attributes. An extension bit of the request is 1 << (attribute - 1). */
export const DiagAttribute = { INFO: 2, SKV6ONLY: 11, MARK: 15, CGROUP_ID: 21 } as const;
export const EXTENSION_INFO = 1 << (DiagAttribute.INFO - 1);

/** struct inet_diag_msg: 72 bytes, of which all integers but the ports and addresses are in host byte order. */
export const DIAG_MESSAGE_BYTES = 72;
export const DiagField = {
  family: 0,
  state: 1,
  timer: 2,
  retries: 3,
  localPort: 4,
  remotePort: 6,
  localAddress: 8,
  remoteAddress: 24,
  interfaceIndex: 40,
  cookie: 44,
  expiresMs: 52,
  receiveQueue: 56,
  sendQueue: 60,
  uid: 64,
  inode: 68,
} as const;

/** Asks for every TCP socket of both families whose state bit (1 << state) is in `states`. */
export function encodeDumpRequest(
  sequence: number,
  states: number,
  extensions: number,
  bytecode?: Uint8Array,
): Uint8Array {
  // struct inet_diag_req: family, src_len, dst_len, ext, sockid (48 bytes), states, dbs
  const body = new Uint8Array(60);
  body[3] = extensions;
  new DataView(body.buffer).setUint32(52, states >>> 0, LITTLE_ENDIAN);
  return encodeMessage(
    TCPDIAG_GETSOCK,
    NlmFlag.REQUEST | NlmFlag.DUMP,
    sequence,
    body,
    bytecode ? [[INET_DIAG_REQ_BYTECODE, bytecode]] : [],
  );
}

export const ATTRIBUTE_HEADER_BYTES = 4;

/** Offset of the first well-formed attribute of a type in [from, end), its header included; -1 when there is none. */
export function findAttribute(view: DataView, from: number, end: number, type: number): number {
  let at = from;
  while (at + ATTRIBUTE_HEADER_BYTES <= end) {
    const length = view.getUint16(at, LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) return -1;
    if ((view.getUint16(at + 2, LITTLE_ENDIAN) & 0x3fff) === type) return at;
    at += align4(length);
  }
  return -1;
}
