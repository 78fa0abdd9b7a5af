import { type Need, type Rule, TcpState } from '@lastack/core';
import { describe, expect, it } from 'vitest';
import { namespaceOf } from '../../../core/src/testing.ts';
import { Candidates } from './candidates.ts';
import type { ObservedNamespace } from './observation.ts';

const { CLOSE_WAIT, FIN_WAIT2, TIME_WAIT } = TcpState;

function rule(states: number[], needs: Need[], candidate: Rule['candidate'] = () => true): Rule {
  return { id: 'a-test', states, needs, candidate, diagnose: () => [] };
}

function candidatesOf(rules: Rule[]): Candidates {
  const sockets = [FIN_WAIT2, CLOSE_WAIT, FIN_WAIT2].map((state, row) => ({ state, inode: 7, receiveQueue: row }));
  return new Candidates(namespaceOf(sockets) as ObservedNamespace, rules);
}

describe('candidates', () => {
  it('are listed once for each need, whatever else a rule wants of them', () => {
    const counting = rule([FIN_WAIT2, TIME_WAIT], ['counters']);
    const reading = rule([FIN_WAIT2, CLOSE_WAIT], ['info']);
    const candidates = candidatesOf([counting, reading]);
    expect(candidates.of(counting)).toEqual([0, 2]);
    expect(candidates.of(reading)).toEqual([0, 2, 1]);
    expect(candidates.needing('info')).toEqual([0, 2, 1]);
    expect(candidates.needing('peer')).toEqual([0, 2, 1]);
    expect(candidates.needing('owners')).toEqual([]);
    expect([candidates.isNeeded('info'), candidates.isNeeded('owners')]).toEqual([true, false]);
  });

  it('are those that the rule says, of its states', () => {
    const unread = rule([FIN_WAIT2], ['owners'], ({ table }, row) => table.receiveQueue(row) > 1);
    const candidates = candidatesOf([unread]);
    expect(candidates.of(unread)).toEqual([2]);
    expect(candidates.needing('owners')).toEqual([2]);
  });

  it('of no rule need nothing', () => {
    const never = rule([FIN_WAIT2], ['info'], () => false);
    const candidates = candidatesOf([never]);
    expect([candidates.of(never), candidates.isNeeded('info')]).toEqual([[], false]);
  });
});
