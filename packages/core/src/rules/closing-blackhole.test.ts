import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { closingBlackhole } from './closing-blackhole.ts';
import { findIn, listener } from './shared/testing.ts';
import { findFinToDeadNeighbour, findHeldFin, findOrphanedFins, ordinaryFins } from './shared/testing_blackhole.ts';

const { CLOSING } = TcpState;

describe('closing-blackhole finds', () => {
  it('orphans that get no acknowledgement', () => {
    const [finding, ...rest] = findOrphanedFins(closingBlackhole, CLOSING);
    expect(rest).toEqual([]);
    expect(finding.title).toBe(
      '8 connections in CLOSING on :8080: no answer to the FIN of a simultaneous close (left by their program)',
    );
    expect(finding).toMatchObject({ blame: 'peer-host or path', severity: 'notice', count: 8 });
    expect(finding.forecast.kind).toBe('at');
    expect(finding.remedies.find(({ id }) => id === 'drop')?.command).toMatch(/^lastack clear /);
  });

  it('one that a program still holds, and the dead host behind one', () => {
    expect(findHeldFin(closingBlackhole, CLOSING)[0].title).toContain('node (pid 812)');
    expect(findFinToDeadNeighbour(closingBlackhole, CLOSING)[0].blame).toBe('peer-host');
  });
});

describe('closing-blackhole stays silent', () => {
  it.each(ordinaryFins(CLOSING))('%s', (_, socket) => {
    expect(findIn(closingBlackhole, [listener(8080), socket])).toEqual([]);
  });
});
