import { readFileSync } from 'node:fs';
import type { Endpoint, ProcSocket } from '../protocol.ts';

/** /proc prints timer clocks in hundredths of a second on every architecture lastack runs on. */
const CLOCK_MS = 10;

/** `0100007F:1F90`: the address as 32-bit words in host order, the port in plain hexadecimal. */
function endpoint(text: string): Endpoint {
  const [hex = '', port = ''] = text.split(':');
  const words = Buffer.from(hex, 'hex');
  for (let at = 0; at < words.length; at += 4) words.subarray(at, at + 4).reverse();
  return { address: addressText(words), port: Number.parseInt(port, 16) };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}

function socketOf(line: string): ProcSocket {
  const [, local = '', remote = '', state = '', queues = '', timer = '', retransmits = '', , probes, inode] = line
    .trim()
    .split(/\s+/);
  const [sendQueue = '', receiveQueue = ''] = queues.split(':');
  const [active = '', expires = ''] = timer.split(':');
  const expiresTicks = Number.parseInt(expires, 16);
  return {
    local: endpoint(local),
    remote: endpoint(remote),
    state: Number.parseInt(state, 16),
    sendQueue: Number.parseInt(sendQueue, 16),
    receiveQueue: Number.parseInt(receiveQueue, 16),
    timer: Number.parseInt(active, 16),
    // An overdue timer prints as a huge number (negative before conversion).
    expiresMs: expiresTicks > 0x7fff_ffff ? 0 : expiresTicks * CLOCK_MS,
    retransmits: Number.parseInt(retransmits, 16),
    probes: Number(probes),
    inode: Number(inode),
  };
}

/** The sockets of the calling thread's namespace: an oracle that shares no code with the sock_diag reader. */
export function procSockets(family: 4 | 6): ProcSocket[] {
  const text = readFileSync(family === 4 ? '/proc/thread-self/net/tcp' : '/proc/thread-self/net/tcp6', 'latin1');
  return text.trimEnd().split('\n').slice(1).map(socketOf);
}
