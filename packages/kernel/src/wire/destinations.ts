import { ipv6Hash, type RawRows } from './endpoints.ts';
import { AF_INET6, DiagField } from './inet_diag.ts';
import { numberRows } from './number_rows.ts';
import { LOCAL_WORD, mix, REMOTE_WORD, ROW_BYTES, ROW_WORDS } from './row_layout.ts';

/** Four words of local and four of remote address follow each other. */
const ADDRESS_WORDS = 8;

/**
 * Lists of those of the rows that compete for the same local ports (same family, local address, remote address and
 * remote port), where at least `least` do; in the order met.
 * @param localPorts only rows whose local port has a 1 in it
 */
export function rowsByDestination(
  { bytes, words }: RawRows,
  rows: ArrayLike<number>,
  least: number,
  localPorts?: Uint8Array,
): Uint32Array[] {
  if (rows.length < least) return [];
  const { hashes, isMeant } = hashDestinations(bytes, words, rows, localPorts);
  const isSame = (row: number, other: number) => isSameDestination(bytes, words, row, other);
  const { numbers, sizes } = numberRows(rows, hashes, isSame, isMeant);
  const lists = sizes.map((size) => new Uint32Array(size >= least ? size : 0));
  const filled = new Uint32Array(lists.length);
  for (let index = 0; index < rows.length; index++) {
    const number = numbers[index];
    if (number >= 0 && sizes[number] >= least) lists[number][filled[number]++] = rows[index];
  }
  return lists.filter(({ length }) => length > 0);
}

/** One loop nearly without calls, over signed words: those above 2^31 would be boxed one by one. */
function hashDestinations(
  bytes: Uint8Array,
  words: Int32Array,
  rows: ArrayLike<number>,
  localPorts: Uint8Array | undefined,
): { hashes: Int32Array; isMeant: Uint8Array | undefined } {
  const hashes = new Int32Array(rows.length);
  const isMeant = localPorts && new Uint8Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const byte = rows[index] * ROW_BYTES;
    if (localPorts !== undefined && isMeant !== undefined) {
      const port = byte + DiagField.localPort;
      isMeant[index] = localPorts[(bytes[port] << 8) | bytes[port + 1]];
    }
    const at = rows[index] * ROW_WORDS;
    let local = words[at + LOCAL_WORD];
    let remote = words[at + REMOTE_WORD];
    if (bytes[byte] === AF_INET6) {
      local = ipv6Hash(words, at + LOCAL_WORD);
      remote = ipv6Hash(words, at + REMOTE_WORD);
    }
    const port = byte + DiagField.remotePort;
    hashes[index] = mix(remote, local, (bytes[port] << 8) | bytes[port + 1]);
  }
  return { hashes, isMeant };
}

function isSameDestination(bytes: Uint8Array, words: Int32Array, row: number, other: number): boolean {
  const at = row * ROW_BYTES;
  const otherAt = other * ROW_BYTES;
  if (bytes[at] !== bytes[otherAt]) return false;
  if (bytes[at + DiagField.remotePort] !== bytes[otherAt + DiagField.remotePort]) return false;
  if (bytes[at + DiagField.remotePort + 1] !== bytes[otherAt + DiagField.remotePort + 1]) return false;
  const from = row * ROW_WORDS + LOCAL_WORD;
  const otherFrom = other * ROW_WORDS + LOCAL_WORD;
  for (let word = 0; word < ADDRESS_WORDS; word++) {
    if (words[from + word] !== words[otherFrom + word]) return false;
  }
  return true;
}
