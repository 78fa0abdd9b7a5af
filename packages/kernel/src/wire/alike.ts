import type { NumberedRows } from '@lastack/core';
import type { RawRows } from './endpoints.ts';
import { DiagField } from './inet_diag.ts';
import { numberRows } from './number_rows.ts';
import { mix, ROW_WORDS } from './row_layout.ts';

const RECEIVE_QUEUE_WORD = DiagField.receiveQueue / 4;
const SEND_QUEUE_WORD = DiagField.sendQueue / 4;
const INODE_WORD = DiagField.inode / 4;

/** Gives rows one number that have the same family, state, timer, retries and queues, and an inode or none. */
export function alikeRows({ words }: RawRows, rows: ArrayLike<number>): NumberedRows {
  const hashes = new Int32Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    // The first word holds family, state, timer and retries.
    const at = rows[index] * ROW_WORDS;
    hashes[index] = mix(words[at], words[at + RECEIVE_QUEUE_WORD], words[at + SEND_QUEUE_WORD]);
  }
  const isSame = (row: number, other: number) => {
    const at = row * ROW_WORDS;
    const otherAt = other * ROW_WORDS;
    return (
      words[at] === words[otherAt] &&
      words[at + RECEIVE_QUEUE_WORD] === words[otherAt + RECEIVE_QUEUE_WORD] &&
      words[at + SEND_QUEUE_WORD] === words[otherAt + SEND_QUEUE_WORD] &&
      (words[at + INODE_WORD] === 0) === (words[otherAt + INODE_WORD] === 0)
    );
  };
  return numberRows(rows, hashes, isSame);
}
