import { closeWaitRule } from './shared/close_wait.ts';

/** Recv-Q 1: only the FIN is unread, so the program has taken all data and never asked for more. */
export const closeWaitEofUnread = closeWaitRule({
  id: 'close-wait-eof-unread',
  matches: (receiveQueue) => receiveQueue === 1,
  failsTo: 'has not noticed that the peer closed',
  cause:
    'The peer has closed and only the end-of-file mark waits to be read: the program read all data and has not asked for more since.',
  fix: 'keep a read pending (or watch for EPOLLRDHUP) on idle connections too, and close when read returns 0',
});
