import { describe, expect, it } from 'vitest';
import { type StateName, TcpState } from './states.ts';
import { TRANSITIONS, transitionsFrom, transitionsTo } from './transitions.ts';

/**
 * RFC 9293 §3.3.2, figure 5, read off line by line (state names as in the RFC), with its notes: RST in SYN-RECEIVED
 * goes back to LISTEN, FIN-WAIT-1 goes straight to TIME-WAIT on FIN with the ACK of the FIN.
 */
const FIGURE = `
CLOSED > LISTEN: passive OPEN
CLOSED > SYN-SENT: active OPEN / SYN
LISTEN > CLOSED: CLOSE
LISTEN > SYN-SENT: SEND / SYN
LISTEN > SYN-RECEIVED: rcv SYN / SYN,ACK
SYN-SENT > CLOSED: CLOSE
SYN-SENT > SYN-RECEIVED: rcv SYN / SYN,ACK
SYN-SENT > ESTABLISHED: rcv SYN,ACK / ACK
SYN-RECEIVED > ESTABLISHED: rcv ACK of SYN
SYN-RECEIVED > FIN-WAIT-1: CLOSE / FIN
SYN-RECEIVED > LISTEN: rcv RST
ESTABLISHED > FIN-WAIT-1: CLOSE / FIN
ESTABLISHED > CLOSE-WAIT: rcv FIN / ACK
FIN-WAIT-1 > FIN-WAIT-2: rcv ACK of FIN
FIN-WAIT-1 > CLOSING: rcv FIN / ACK
FIN-WAIT-1 > TIME-WAIT: rcv FIN + ACK of FIN / ACK
FIN-WAIT-2 > TIME-WAIT: rcv FIN / ACK
CLOSING > TIME-WAIT: rcv ACK of FIN
CLOSE-WAIT > LAST-ACK: CLOSE / FIN
LAST-ACK > CLOSED: rcv ACK of FIN
TIME-WAIT > CLOSED: Timeout=2MSL
`;

const RFC_NAMES: Record<string, StateName> = {
  CLOSED: 'CLOSE',
  'SYN-RECEIVED': 'SYN_RECV',
  'FIN-WAIT-1': 'FIN_WAIT1',
  'FIN-WAIT-2': 'FIN_WAIT2',
};
const fromRfc = (name: string) => RFC_NAMES[name] ?? (name.replace('-', '_') as StateName);

const figureEdges = FIGURE.trim()
  .split('\n')
  .map((line) => {
    const [, from, to, event, send] = /^(\S+) > (\S+): (.+?)(?: \/ (\S+))?$/.exec(line)!;
    const ours = event
      .replace('rcv', 'recv')
      .replace('Timeout=2MSL', 'timeout')
      .replace(/OPEN|CLOSE|SEND/, (word) => word.toLowerCase());
    return `${fromRfc(from)} -> ${fromRfc(to)}: ${ours}${send ? ` / ${send}` : ''}`;
  });

describe('the transition table', () => {
  it('holds exactly the edges of the RFC figure', () => {
    const ours = TRANSITIONS.filter((edge) => edge.where !== 'linux').map(
      (edge) => `${edge.from} -> ${edge.to}: ${edge.event}${edge.send ? ` / ${edge.send}` : ''}`,
    );
    expect([...ours].sort()).toEqual([...figureEdges].sort());
  });

  it('reaches every state from CLOSE, and CLOSE from every state, by Linux edges alone', () => {
    const reach = (step: (state: StateName) => StateName[]) => {
      const seen = new Set<StateName>(['CLOSE']);
      for (const state of seen) for (const next of step(state)) seen.add(next);
      return [...seen].sort();
    };
    const all = Object.keys(TcpState).sort();
    expect(reach((state) => transitionsFrom(state).map((edge) => edge.to))).toEqual(all);
    expect(reach((state) => transitionsTo(state).map((edge) => edge.from))).toEqual(all);
  });

  it('lets a program leave CLOSE_WAIT and FIN_WAIT2 only as it should', () => {
    const by = (state: StateName, actor: string) =>
      transitionsFrom(state)
        .filter((edge) => edge.actor === actor)
        .map((edge) => edge.event);
    expect(by('CLOSE_WAIT', 'local-app')).toEqual(['close', 'abort']);
    expect(by('CLOSE_WAIT', 'peer-app')).toEqual([]);
    expect(by('FIN_WAIT2', 'local-app')).toEqual([]);
    expect(by('LAST_ACK', 'local-app')).toEqual([]);
  });

  it('enters the waiting states only by the edges that define them', () => {
    const entries = (state: StateName) =>
      transitionsTo(state)
        .filter((e) => e.from !== state)
        .map((e) => `${e.from} ${e.event}`);
    expect(entries('CLOSE_WAIT')).toEqual(['ESTABLISHED recv FIN']);
    expect(entries('LAST_ACK')).toEqual(['CLOSE_WAIT close']);
    expect(entries('CLOSING')).toEqual(['FIN_WAIT1 recv FIN']);
    expect(entries('FIN_WAIT2')).toEqual(['FIN_WAIT1 recv ACK of FIN']);
    expect(entries('FIN_WAIT1').sort()).toEqual(['ESTABLISHED close', 'SYN_RECV close']);
    expect(entries('TIME_WAIT').sort()).toEqual([
      'CLOSING recv ACK of FIN',
      'FIN_WAIT1 recv FIN + ACK of FIN',
      'FIN_WAIT2 recv FIN',
    ]);
  });

  it('names a segment received only for the other end, and a timer only for the kernel', () => {
    for (const edge of TRANSITIONS) {
      if (edge.event.startsWith('recv')) expect(edge.actor).toMatch(/^peer-/);
      if (edge.event === 'timeout') expect(edge.actor).toBe('kernel');
    }
  });

  it('has no edge twice', () => {
    const keys = TRANSITIONS.map((edge) => `${edge.from} ${edge.event} ${edge.to}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('says why wherever Linux departs from the RFC', () => {
    for (const edge of TRANSITIONS.filter((e) => e.where === 'rfc')) expect(edge.note).toMatch(/Linux/);
  });
});
