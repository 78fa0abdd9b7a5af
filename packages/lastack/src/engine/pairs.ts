import { type RuleContext, type SocketRef, TcpState } from '@lastack/core';
import type { ObservedNamespace } from './observation.ts';

/** States in which a socket has no other end. */
const SINGLE_STATES: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

const { CLOSE_WAIT, ESTABLISHED, FIN_WAIT2, SYN_SENT, TIME_WAIT } = TcpState;

/**
 * State pairs that one connection cannot show, whatever was lost on the way: then the addresses merely coincide.
 * CLOSE_WAIT has received the peer's FIN, so the peer has sent one; FIN_WAIT2's FIN was acknowledged, so it arrived;
 * TIME_WAIT's own FIN was acknowledged and the peer's has arrived, which the states listed with it contradict.
 */
const IMPOSSIBLE: readonly (readonly [number, number])[] = [
  [CLOSE_WAIT, ESTABLISHED],
  [CLOSE_WAIT, SYN_SENT],
  [CLOSE_WAIT, CLOSE_WAIT],
  [FIN_WAIT2, ESTABLISHED],
  [FIN_WAIT2, SYN_SENT],
  [TIME_WAIT, CLOSE_WAIT],
  [TIME_WAIT, FIN_WAIT2],
  [TIME_WAIT, ESTABLISHED],
  [TIME_WAIT, SYN_SENT],
];

/** 1 at `state * 16 + other state` where the pair fits. */
const FITS = Uint8Array.from({ length: 256 }, (_, pair) => {
  const [one, other] = [pair >> 4, pair & 15];
  if (SINGLE_STATES.has(one) || SINGLE_STATES.has(other)) return 0;
  return IMPOSSIBLE.some(([a, b]) => (a === one && b === other) || (a === other && b === one)) ? 0 : 1;
});

/** Bit `other state` is set in the mask of each state where the pair fits. */
const FIT_MASKS = Uint16Array.from({ length: 16 }, (_, state) => {
  let mask = 0;
  for (let other = 0; other < 16; other++) mask |= FITS[(state << 4) | other] << other;
  return mask;
});

/**
 * Finds the other ends of the given sockets among all sockets of all namespaces, in one pass over them. Where several
 * sockets have the mirrored addresses (the same private network used twice) none is returned: it cannot be told which.
 */
export function findPeers(
  namespaces: readonly ObservedNamespace[],
  rowsOf: ReadonlyMap<ObservedNamespace, readonly number[]>,
): RuleContext['peerOf'] {
  const wanted = new WantedEnds(rowsOf);
  for (const namespace of namespaces) wanted.searchIn(namespace);
  return (ref) => wanted.peerOf(ref);
}

const NONE = -1;
const SEVERAL = -2;

/** Sockets whose other end is looked for: a hash table by what their other end's own hash must be. */
class WantedEnds {
  readonly #namespaces: ObservedNamespace[] = [];
  readonly #rows: number[] = [];
  /** First entry of each slot, and the next one behind each entry; -1 ends. */
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  /** Whether some wanted socket has this pair of ports. */
  readonly #portPairs = new Uint8Array(65_536);
  /** Bits of the states that the other end of some wanted one can be in: mostly not TIME_WAIT, in which most are. */
  readonly #states: number;
  /** The entry of a row, by namespace; -1 where it has none. */
  readonly #entries = new Map<ObservedNamespace, Int32Array>();
  /** What was found for each entry: a row of the namespace beside it, NONE or SEVERAL. */
  readonly #peerRows: Int32Array;
  readonly #peerNamespaces: ObservedNamespace[] = [];

  constructor(rowsOf: ReadonlyMap<ObservedNamespace, readonly number[]>) {
    const wanted = [...rowsOf].map(([namespace, rows]) => {
      const { table } = namespace;
      return [namespace, rows.filter((row) => !SINGLE_STATES.has(table.state(row)))] as const;
    });
    for (const [namespace, rows] of wanted) {
      const entries = new Int32Array(namespace.table.count).fill(-1);
      this.#entries.set(namespace, entries);
      for (let index = 0; index < rows.length; index++) {
        entries[rows[index]] = this.#rows.length;
        this.#namespaces.push(namespace);
        this.#rows.push(rows[index]);
      }
    }
    const slots = 2 ** Math.ceil(Math.log2(this.#rows.length * 2 + 2));
    this.#first = new Int32Array(slots).fill(-1);
    this.#next = new Int32Array(this.#rows.length);
    this.#peerRows = new Int32Array(this.#rows.length).fill(NONE);
    let states = 0;
    let entry = 0;
    for (const [{ table }, rows] of wanted) {
      const hashes = new Int32Array(rows.length);
      table.endpointHashes(rows, true, hashes);
      for (let index = 0; index < rows.length; index++, entry++) {
        const slot = hashes[index] & (slots - 1);
        this.#next[entry] = this.#first[slot];
        this.#first[slot] = entry;
        this.#portPairs[table.portPair(rows[index])] = 1;
        states |= FIT_MASKS[table.state(rows[index]) & 15];
      }
    }
    this.#states = states;
  }

  searchIn(namespace: ObservedNamespace): void {
    if (this.#rows.length === 0) return;
    const { table } = namespace;
    const [first, states, portPairs] = [this.#first, this.#states, this.#portPairs];
    const mask = first.length - 1;
    for (let state = 0; state < 16; state++) {
      if (((states >> state) & 1) === 0) continue;
      const rows = table.rowsIn(state);
      const hashes = new Int32Array(rows.length);
      table.endpointHashes(rows, false, hashes);
      for (let index = 0; index < rows.length; index++) {
        const row = rows[index];
        if (portPairs[table.portPair(row)] === 0) continue;
        let entry = first[hashes[index] & mask];
        for (; entry >= 0; entry = this.#next[entry]) this.#match(entry, namespace, row);
      }
    }
  }

  #match(entry: number, namespace: ObservedNamespace, row: number): void {
    const wanted = this.#namespaces[entry];
    const wantedRow = this.#rows[entry];
    if (wanted === namespace && wantedRow === row) return;
    const { table } = namespace;
    if (FITS[(wanted.table.state(wantedRow) << 4) | table.state(row)] === 0) return;
    if (!table.isMirrorOf(row, wanted.table, wantedRow)) return;
    this.#peerNamespaces[entry] = namespace;
    this.#peerRows[entry] = this.#peerRows[entry] === NONE ? row : SEVERAL;
  }

  peerOf({ namespace, row }: SocketRef): SocketRef | undefined {
    const entry = this.#entries.get(namespace as ObservedNamespace)?.[row] ?? -1;
    const peer = entry < 0 ? NONE : this.#peerRows[entry];
    return peer < 0 ? undefined : { namespace: this.#peerNamespaces[entry], row: peer };
  }
}
