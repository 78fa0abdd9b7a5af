import { DIAG_MESSAGE_BYTES, DiagField } from './inet_diag.ts';

/**
 * One row of a DiagTable is struct inet_diag_msg as received, then what lastack keeps of the attributes: cgroup id (8),
 * mark (4) and presence bits (4). 88 bytes a socket; nothing else is stored in the first pass.
 */
export const ROW_BYTES = DIAG_MESSAGE_BYTES + 16;
export const ROW_WORDS = ROW_BYTES / 4;

/** Places of what loops over many rows compare, in words: two ports, two addresses of four words each. */
export const PORTS_WORD = DiagField.localPort / 4;
export const LOCAL_WORD = DiagField.localAddress / 4;
export const REMOTE_WORD = DiagField.remoteAddress / 4;

/** Another one in each run: peers choose their addresses, and could choose some that all meet in one place of a table. */
const SEED = Math.floor(Math.random() * 2 ** 32) | 0;

/** Every bit of the endpoints reaches every bit of the hash: tables use its low bits only. Signed. */
export function mix(first: number, second: number, ports: number): number {
  let hash = Math.imul(first ^ SEED, 0x9e37_79b1);
  hash = Math.imul((hash ^ (hash >>> 15)) + second, 0x85eb_ca6b);
  hash = Math.imul((hash ^ (hash >>> 13)) + ports, 0x7feb_352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846c_a68b);
  return hash ^ (hash >>> 16);
}
