const OCTET = /^\d{1,3}$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * A textual address in network byte order: 4 bytes, or 16; undefined when it is none. An IPv4 address mapped into IPv6
 * gives its 4 bytes, since that is what is on the wire.
 */
export function conntrackAddressBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return ipv4Bytes(text);
  const bytes = ipv6Bytes(text);
  if (bytes === undefined) return undefined;
  const isMapped = bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
  return isMapped ? bytes.subarray(12) : bytes;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) < 256)) return undefined;
  return Uint8Array.from(octets, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(groupsOf);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = tail === undefined ? head : [...head, ...Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

/** 16-bit groups; the last may be a dotted quad. */
function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const words = text.split(':');
  for (const [index, word] of words.entries()) {
    const quad = index === words.length - 1 && word.includes('.') ? ipv4Bytes(word) : undefined;
    if (quad) groups.push((quad[0] << 8) | quad[1], (quad[2] << 8) | quad[3]);
    else if (GROUP.test(word)) groups.push(Number.parseInt(word, 16));
    else return undefined;
  }
  return groups;
}
