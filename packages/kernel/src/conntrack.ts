import type { ConntrackEntry } from '@lastack/core';
import { KernelError } from './errors.ts';
import { parseNumber, readText } from './procfs/text.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import {
  ConntrackFormatError,
  ConntrackMessage,
  type ConntrackSelector,
  decodeConntrack,
  encodeConntrackDelete,
  encodeConntrackDump,
  encodeConntrackGet,
} from './wire/conntrack.ts';
import { align4, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag, NlmsgType } from './wire/netlink.ts';

/** Larger than any datagram of a dump. */
const RECEIVE_BYTES = 1 << 15;
const BATCH = 8;
/** Datagrams without anything of ours, after which something else must be talking. */
const STRAY_LIMIT = 1000;
const ENOENT = 2;
const ENOBUFS = 105;

/**
 * How many entries, of all protocols, the calling thread's network namespace holds (nf_conntrack_count): asked before
 * netlink is, because a request would make the kernel load its connection tracking. Undefined: it has none loaded.
 */
export function readConntrackCount({ procRoot }: { procRoot: string }): number | undefined {
  const text = readText(`${procRoot}/sys/net/netfilter/nf_conntrack_count`);
  return text === undefined ? undefined : parseNumber(text.trim());
}

export interface ConntrackDump {
  entries: ConntrackEntry[];
  /** Why entries may be missing or repeated; undefined when the dump is whole. */
  incomplete: string | undefined;
}

/**
 * All TCP entries of the namespace that the transport (NetlinkProtocol.NETFILTER) belongs to.
 * Rejects with KernelError; EPERM without CAP_NET_ADMIN.
 */
export async function listConntrack(transport: NetlinkTransport): Promise<ConntrackDump> {
  const entries: ConntrackEntry[] = [];
  const incomplete = await exchange(transport, encodeConntrackDump(1), 'reading the conntrack table', (message) => {
    const entry = decodeConntrack(message);
    if (entry) entries.push(entry);
    return false;
  });
  return { entries, incomplete };
}

/** The entry that the selector names; undefined when there is none. Rejects with KernelError. */
export async function findConntrack(
  transport: NetlinkTransport,
  selector: ConntrackSelector,
): Promise<ConntrackEntry | undefined> {
  let entry: ConntrackEntry | undefined;
  try {
    await exchange(transport, encodeConntrackGet(2, selector), 'looking up a conntrack entry', (message) => {
      entry = decodeConntrack(message);
      return true;
    });
  } catch (error) {
    if (error instanceof KernelError && error.errno === ENOENT) return undefined;
    throw error;
  }
  // An older kernel ignores the id when it looks up.
  return selector.id === undefined || entry?.id === selector.id ? entry : undefined;
}

/**
 * Deletes exactly one entry. No socket is touched by it.
 * @returns whether there was one. Rejects with KernelError, EPERM without CAP_NET_ADMIN; RangeError for an empty tuple
 */
export async function deleteConntrack(transport: NetlinkTransport, selector: ConntrackSelector): Promise<boolean> {
  const request = encodeConntrackDelete(3, selector);
  try {
    await exchange(transport, request, 'deleting a conntrack entry', () => false);
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.errno === ENOENT) return false;
    throw error;
  }
}

/** Sends a request and visits each entry message until DONE, an acknowledgement, or until `take` returns true. */
async function exchange(
  transport: NetlinkTransport,
  request: Uint8Array,
  operation: string,
  take: (message: Uint8Array) => boolean,
): Promise<string | undefined> {
  const conversation = new Conversation(request, operation, take);
  const buffers = Array.from({ length: BATCH }, () => new Uint8Array(RECEIVE_BYTES));
  transport.send(request);
  while (!conversation.ended) {
    const lengths = await receive(transport, buffers, conversation);
    lengths.forEach((length, index) => {
      conversation.read(buffers[index], length);
    });
  }
  return conversation.incomplete;
}

async function receive(
  transport: NetlinkTransport,
  buffers: readonly Uint8Array[],
  conversation: Conversation,
): Promise<number[]> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await transport.receive(buffers);
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== ENOBUFS || attempt >= STRAY_LIMIT) throw error;
      conversation.lose('the receive buffer overflowed (ENOBUFS)');
    }
  }
}

class Conversation {
  ended = false;
  incomplete: string | undefined;
  #strays = 0;
  readonly #sequence: number;
  readonly #operation: string;
  readonly #take: (message: Uint8Array) => boolean;

  constructor(request: Uint8Array, operation: string, take: (message: Uint8Array) => boolean) {
    this.#sequence = new DataView(request.buffer, request.byteOffset).getUint32(8, LITTLE_ENDIAN);
    this.#operation = operation;
    this.#take = take;
  }

  lose(because: string): void {
    this.incomplete ??= `${because}: entries may be missing`;
  }

  /** One datagram; `length` is its true length. @throws KernelError for an errno or nonsense */
  read(buffer: Uint8Array, length: number): void {
    const end = Math.min(length, buffer.length);
    if (length > end) this.lose(`a reply of ${length} bytes was cut`);
    const view = new DataView(buffer.buffer, buffer.byteOffset, end);
    let ours = false;
    for (let at = 0; at < end && !this.ended; ) {
      const size = end - at < NLMSG_HEADER_BYTES ? 0 : view.getUint32(at, LITTLE_ENDIAN);
      if (size < NLMSG_HEADER_BYTES || at + size > end) this.#broken('a netlink message passes its datagram');
      if (view.getUint32(at + 8, LITTLE_ENDIAN) === this.#sequence) {
        ours = true;
        this.#message(view, buffer.subarray(at, at + size), at);
      }
      at += align4(size);
    }
    if (!ours && ++this.#strays > STRAY_LIMIT) this.#broken('only unrelated messages arrive');
  }

  #message(view: DataView, message: Uint8Array, at: number): void {
    const type = view.getUint16(at + 4, LITTLE_ENDIAN);
    if (view.getUint16(at + 6, LITTLE_ENDIAN) & NlmFlag.DUMP_INTR) this.lose('the table changed during the dump');
    if (type === ConntrackMessage.NEW) this.#entry(message);
    else if (type === NlmsgType.DONE || type === NlmsgType.ERROR) {
      this.ended = true;
      const body = NLMSG_HEADER_BYTES;
      if (type === NlmsgType.DONE && message.length < body + 4) return;
      const errno = errorOf(view, at + body, at + message.length);
      if (errno > 0) throw conntrackError(this.#operation, errno);
    }
  }

  #entry(message: Uint8Array): void {
    try {
      if (this.#take(message)) this.ended = true;
    } catch (error) {
      if (!(error instanceof ConntrackFormatError)) throw error;
      this.#broken(error.message);
    }
  }

  #broken(detail: string): never {
    throw new KernelError(this.#operation, 0, { detail });
  }
}

const EPERM = 1;
const EINVAL = 22;
const EPROTONOSUPPORT = 93;
const EOPNOTSUPP = 95;

function conntrackError(operation: string, errno: number): KernelError {
  if (errno === EPERM) {
    return new KernelError(operation, errno, { todo: 'run as root or with CAP_NET_ADMIN' });
  }
  // nfnetlink answers EINVAL for a subsystem that it does not know.
  const isMissing = errno === EPROTONOSUPPORT || errno === EOPNOTSUPP || errno === EINVAL;
  return new KernelError(operation, errno, {
    detail: isMissing ? 'this kernel offers no access to connection tracking' : undefined,
    todo: isMissing ? 'load the module (modprobe nf_conntrack_netlink)' : undefined,
  });
}
