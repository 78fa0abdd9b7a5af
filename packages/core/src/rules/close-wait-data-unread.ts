import { closeWaitRule } from './shared/close_wait.ts';

/** Recv-Q above 1: data lies before the FIN, so the program stopped reading. */
export const closeWaitDataUnread = closeWaitRule({
  id: 'close-wait-data-unread',
  matches: (receiveQueue) => receiveQueue > 1,
  failsTo: 'has stopped reading',
  cause:
    'The peer has sent data and closed; the data still lies unread, so the program has not reached the end of file and cannot close in answer to it.',
  fix: 'find what keeps the program from reading these connections (a paused stream, a stuck worker, a full pool); time out readers that make no progress',
});
