import { TcpState } from '@lastack/core';
import { DiagField } from './inet_diag.ts';

const STATES = 16;

/** Row numbers sorted by state. */
export class RowsByState {
  readonly count: number;
  readonly #rows: Uint32Array;
  /** Where the rows of each state begin; one more for the end. */
  readonly #starts = new Uint32Array(STATES + 1);

  /**
   * @param bytes rows of `rowBytes` each, struct inet_diag_msg first
   * @param mixed so many rows at the front may be in any state; those behind them are in TIME_WAIT and not looked at
   */
  constructor(bytes: Uint8Array, rowBytes: number, count: number, mixed: number) {
    this.count = count;
    this.#rows = new Uint32Array(count);
    const states = new Uint8Array(mixed);
    const sizes = new Uint32Array(STATES);
    sizes[TcpState.TIME_WAIT] = count - mixed;
    for (let row = 0, at: number = DiagField.state; row < mixed; row++, at += rowBytes) {
      // As `state` of the table has it.
      const state = bytes[at] === TcpState.CLOSE ? TcpState.BOUND_INACTIVE : bytes[at] & (STATES - 1);
      states[row] = state;
      sizes[state]++;
    }
    for (let state = 0; state < STATES; state++) this.#starts[state + 1] = this.#starts[state] + sizes[state];
    const next = this.#starts.slice();
    const rows = this.#rows;
    for (let row = 0; row < mixed; row++) rows[next[states[row]]++] = row;
    for (let row = mixed, to = next[TcpState.TIME_WAIT]; row < count; row++, to++) rows[to] = row;
  }

  rowsIn(state: number): Uint32Array {
    return this.#rows.subarray(this.#starts[state & (STATES - 1)], this.#starts[(state & (STATES - 1)) + 1]);
  }
}
