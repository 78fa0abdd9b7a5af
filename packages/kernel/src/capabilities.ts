import { existsSync, readFileSync } from 'node:fs';
import { KernelError } from './errors.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import { IPPROTO_TCP } from './wire/inet_diag.ts';
import { encodeMessage, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag, NlmsgType } from './wire/netlink.ts';

/** One thing that this kernel and this user do or do not permit. */
export interface Capability {
  id: string;
  /** What it is good for, in a user's words. */
  what: string;
  available: boolean;
  /** The evidence, also when it is available. */
  because: string;
  /** What would allow it; undefined when it is available. */
  todo?: string;
}

/** Bit numbers of include/uapi/linux/capability.h. */
export const CapabilityBit = {
  DAC_READ_SEARCH: 2,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  NET_RAW: 13,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
} as const;

/** CapEff of the calling process; 0 when it cannot be read. */
export function effectiveCapabilities(procRoot: string): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText(`${procRoot}/self/status`) ?? '');
  return line ? BigInt(`0x${line[1]}`) : 0n;
}

export function hasCapability(effective: bigint, bit: number): boolean {
  return ((effective >> BigInt(bit)) & 1n) === 1n;
}

const SOCK_DESTROY = 21;
const ENOENT = 2;
const EOPNOTSUPP = 95;

/**
 * Whether the kernel was built with SOCK_DESTROY, found out by asking it to end a connection that cannot exist (port 0,
 * unspecified addresses, a cookie never given out): ENOENT means "looked for it", EOPNOTSUPP "cannot". Changes nothing.
 */
export async function probeSockDestroy(transport: NetlinkTransport): Promise<Capability> {
  const body = new Uint8Array(56);
  body[0] = 2;
  body[1] = IPPROTO_TCP;
  const view = new DataView(body.buffer);
  view.setUint32(4, 1 << 1, LITTLE_ENDIAN);
  // The highest cookie but one: all ones would mean "any", which must never be sent.
  view.setUint32(48, 0xffff_fffe, LITTLE_ENDIAN);
  view.setUint32(52, 0xffff_fffe, LITTLE_ENDIAN);
  transport.send(encodeMessage(SOCK_DESTROY, NlmFlag.REQUEST | NlmFlag.ACK, 3, body));
  const errno = await acknowledged(transport, 3);
  const what = 'ending single connections in the kernel (SOCK_DESTROY)';
  const id = 'sock-destroy';
  if (errno === ENOENT)
    return { id, what, available: true, because: 'a request for a connection that cannot exist gave ENOENT' };
  if (errno === EOPNOTSUPP) {
    return {
      id,
      what,
      available: false,
      because: 'the kernel answered EOPNOTSUPP: built without CONFIG_INET_DIAG_DESTROY',
      todo: 'use a kernel with CONFIG_INET_DIAG_DESTROY=y',
    };
  }
  const { code } = new KernelError('probing', errno);
  return { id, what, available: false, because: `the kernel answered ${code}`, todo: 'run as root (CAP_NET_ADMIN)' };
}

async function acknowledged(transport: NetlinkTransport, sequence: number): Promise<number> {
  const buffer = new Uint8Array(1 << 15);
  const buffers = [buffer];
  const view = new DataView(buffer.buffer);
  for (let attempt = 0; attempt < 16; attempt++) {
    const [received] = await transport.receive(buffers);
    const end = Math.min(received, buffer.length);
    if (end < NLMSG_HEADER_BYTES || view.getUint32(8, LITTLE_ENDIAN) !== sequence) continue;
    if (view.getUint16(4, LITTLE_ENDIAN) === NlmsgType.ERROR) return errorOf(view, NLMSG_HEADER_BYTES, end);
  }
  throw new KernelError('probing SOCK_DESTROY', 0, { detail: 'no answer' });
}

/** What depends on the user's privileges alone. */
export function privilegeCapabilities(procRoot: string): Capability[] {
  const effective = effectiveCapabilities(procRoot);
  return [
    privilege(effective, 'namespaces', 'sockets of other network namespaces', 'SYS_ADMIN'),
    privilege(effective, 'owners', 'holders of sockets among processes of other users', 'SYS_PTRACE'),
    privilege(effective, 'socket-options', 'TCP_USER_TIMEOUT and keepalive settings of other programs', 'SYS_PTRACE'),
    privilege(effective, 'mark', 'firewall marks (SO_MARK) and filters on them', 'NET_ADMIN'),
    privilege(effective, 'raw-packets', 'sending resets where SOCK_DESTROY is missing', 'NET_RAW'),
    btf(),
  ];
}

function privilege(effective: bigint, id: string, what: string, name: keyof typeof CapabilityBit): Capability {
  const available = hasCapability(effective, CapabilityBit[name]);
  if (available) return { id, what, available, because: `CAP_${name} is effective` };
  return { id, what, available, because: `CAP_${name} is missing`, todo: `run as root or with CAP_${name}` };
}

function btf(): Capability {
  const available = existsSync('/sys/kernel/btf/vmlinux');
  return {
    id: 'btf',
    what: 'reading kernel structures (BTF)',
    available,
    because: available ? '/sys/kernel/btf/vmlinux is there' : '/sys/kernel/btf/vmlinux is missing',
    ...(!available && { todo: 'use a kernel with CONFIG_DEBUG_INFO_BTF' }),
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
