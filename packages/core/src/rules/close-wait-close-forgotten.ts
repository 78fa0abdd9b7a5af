import { closeWaitRule } from './shared/close_wait.ts';

/** Recv-Q 0: nothing is left to read. Usually the end of file was seen and close() never called. */
export const closeWaitCloseForgotten = closeWaitRule({
  id: 'close-wait-close-forgotten',
  matches: (receiveQueue) => receiveQueue === 0,
  failsTo: 'never closes them',
  cause:
    'The peer has closed and everything it sent has been read, yet this end has not closed. The program saw the end of file, or (where the FIN came together with the last data) read that data and did not ask for more.',
  fix: 'close the descriptor on every path after read has returned 0, also on errors and when connections go back to a pool',
});
