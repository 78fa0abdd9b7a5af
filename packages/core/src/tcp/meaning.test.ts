import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { resolveGovernor } from './governs.ts';
import { meaningOf } from './meaning.ts';
import { type StateName, TcpState } from './states.ts';
import { transitionsFrom } from './transitions.ts';

const STATES = Object.keys(TcpState) as StateName[];
const resolved = (state: StateName, settings = DEFAULT_SETTINGS) =>
  meaningOf(state).governs.map((governor) => resolveGovernor(governor, settings));
const textOf = (state: StateName, when: string, settings = DEFAULT_SETTINGS) =>
  resolved(state, settings).find((governor) => governor.when === when)?.text;

describe('meaning of the states', () => {
  it.each(STATES)('%s is complete, and leaves no template open with or without settings', (state) => {
    const { meaning, ends, next, governs, misbeliefs } = meaningOf(state);
    for (const text of [meaning, ends]) expect(text).toMatch(/^[A-Z].*\.$/s);
    expect(next.length).toBeGreaterThan(0);
    expect(governs.length).toBeGreaterThan(0);
    expect(misbeliefs.length).toBeGreaterThan(0);
    for (const line of misbeliefs) expect(line).not.toContain('\n');
    for (const settings of [DEFAULT_SETTINGS, {}]) {
      for (const { text } of resolved(state, settings)) expect(text).not.toMatch(/[{}]|undefined|NaN/);
    }
  });

  it.each(STATES)('%s: whoever must act has an edge out of it', (state) => {
    const actors = new Set(transitionsFrom(state).map((edge) => edge.actor));
    for (const { actor, what } of meaningOf(state).next) {
      // Reading opens the window: no edge of its own, it lets the FIN and its ACK happen.
      if (what.startsWith('read') || state === 'LISTEN') continue;
      expect(actors).toContain(actor);
    }
  });

  it.each(STATES)('%s: says "never" only with a case in which no timer edge applies', (state) => {
    const timed = transitionsFrom(state).some((edge) => edge.event === 'timeout');
    const never = resolved(state).some(({ text }) => text.startsWith('Never') || text.startsWith('Nothing'));
    if (!timed) expect(never || state === 'TIME_WAIT').toBe(true);
  });

  it('fills in this host', () => {
    expect(textOf('FIN_WAIT1', 'orphan, nothing acknowledged')).toContain('is 0, which acts as 8');
    expect(textOf('FIN_WAIT1', 'orphan, nothing acknowledged')).toContain('1 min 42 s');
    expect(textOf('FIN_WAIT1', 'held by a program, nothing acknowledged')).toContain('15 min 25 s');
    expect(textOf('FIN_WAIT2', 'orphan')).toMatch(/^60 s\. /);
    const at = (timeout: number) => textOf('FIN_WAIT2', 'orphan', { ...DEFAULT_SETTINGS, tcp_fin_timeout: timeout });
    expect(at(61)).toMatch(/^2 x \(61 - 60\) = 2 s, not the 61 s that tcp_fin_timeout says\./);
    expect(at(120)).toMatch(/^2 x \(120 - 60\) = 120 s\./);
    expect(textOf('TIME_WAIT', 'always')).toMatch(/^60 s, a constant/);
  });

  it('never lets an unread setting look like a value', () => {
    expect(textOf('FIN_WAIT2', 'orphan', {})).toContain('not readable here');
    expect(textOf('ESTABLISHED', 'idle, keepalive asked for by the program', {})).toContain('not readable here');
    expect(textOf('FIN_WAIT1', 'orphan, nothing acknowledged', {})).toContain('not readable here');
    const [first] = resolved('FIN_WAIT1', { tcp_retries2: 15 });
    expect(first.settings).toEqual([
      { name: 'tcp_retries2', value: 15, shown: '15' },
      { name: 'tcp_rto_max_ms', value: undefined, shown: '120000, fixed on this kernel' },
    ]);
  });

  it('knows when answered probes of an orphan never run out', () => {
    const settings = { ...DEFAULT_SETTINGS, tcp_orphan_retries: 20 };
    expect(textOf('FIN_WAIT1', 'orphan, the peer shut its window but answers', settings)).toMatch(/^Never/);
  });
});
