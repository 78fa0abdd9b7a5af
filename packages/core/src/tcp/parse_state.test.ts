import { describe, expect, it } from 'vitest';
import { ALL_STATES, parseState, parseStateMask, STATE_WORDS } from './parse_state.ts';
import { TcpState } from './states.ts';

describe('parseState', () => {
  it.each([
    ['close-wait', TcpState.CLOSE_WAIT],
    ['CLOSE_WAIT', TcpState.CLOSE_WAIT],
    ['CloseWait', TcpState.CLOSE_WAIT],
    ['FIN_WAIT_1', TcpState.FIN_WAIT1],
    ['fin-wait-1', TcpState.FIN_WAIT1],
    ['finwait1', TcpState.FIN_WAIT1],
    ['FIN-WAIT2', TcpState.FIN_WAIT2],
    ['SYN_RECEIVED', TcpState.SYN_RECV],
    ['syn-recv', TcpState.SYN_RECV],
    ['syn-rcv', TcpState.SYN_RECV],
    ['SYN_RCVD', TcpState.SYN_RECV],
    ['TIME-WAIT', TcpState.TIME_WAIT],
    ['timewait', TcpState.TIME_WAIT],
    ['listening', TcpState.LISTEN],
    ['LISTEN', TcpState.LISTEN],
    ['closed', TcpState.CLOSE],
    ['close', TcpState.CLOSE],
    ['unconnected', TcpState.CLOSE],
    ['UNCONN', TcpState.CLOSE],
    ['ESTAB', TcpState.ESTABLISHED],
    ['bound-inactive', TcpState.BOUND_INACTIVE],
    ['Last-Ack', TcpState.LAST_ACK],
  ])('%s', (word, state) => {
    expect(parseState(word)).toBe(state);
  });

  it.each(['', '-', 'wait', 'fin-wait-3', 'constructor', 'toString', 'all'])('refuses %j', (word) => {
    expect(parseState(word)).toBeUndefined();
  });
});

describe('parseStateMask', () => {
  const bits = (...states: number[]) => states.reduce((mask, state) => mask | (1 << state), 0);
  const unconnected = bits(TcpState.CLOSE, TcpState.LISTEN, TcpState.BOUND_INACTIVE);
  const synRecv = bits(TcpState.SYN_RECV, TcpState.NEW_SYN_RECV);

  // What ss --help of iproute2 6.1 lists for each group.
  it.each([
    ['all', ALL_STATES],
    ['connected', ALL_STATES & ~unconnected],
    ['synchronized', ALL_STATES & ~unconnected & ~bits(TcpState.SYN_SENT)],
    ['bucket', synRecv | bits(TcpState.TIME_WAIT)],
    ['big', ALL_STATES & ~synRecv & ~bits(TcpState.TIME_WAIT)],
    ['syn-recv', synRecv],
    ['close-wait', bits(TcpState.CLOSE_WAIT)],
    ['closed', bits(TcpState.CLOSE, TcpState.BOUND_INACTIVE)],
    ['bound-inactive', bits(TcpState.CLOSE, TcpState.BOUND_INACTIVE)],
  ])('%s', (word, mask) => {
    expect(parseStateMask(word)).toBe(mask);
  });

  it('reads every word it offers, and nothing that objects inherit', () => {
    for (const word of STATE_WORDS) expect(parseStateMask(word), word).toBeGreaterThan(0);
    expect(parseStateMask('constructor')).toBeUndefined();
    expect(parseStateMask('closewat')).toBeUndefined();
  });
});
