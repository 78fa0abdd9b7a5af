import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { lastAckBlackhole } from './last-ack-blackhole.ts';
import { findIn, listener } from './shared/testing.ts';
import { findFinToDeadNeighbour, findHeldFin, findOrphanedFins, ordinaryFins } from './shared/testing_blackhole.ts';

const { LAST_ACK } = TcpState;

describe('last-ack-blackhole finds', () => {
  it('orphans that get no acknowledgement', () => {
    const [finding, ...rest] = findOrphanedFins(lastAckBlackhole, LAST_ACK);
    expect(rest).toEqual([]);
    expect(finding.title).toBe('8 connections in LAST_ACK on :8080: no answer to the last FIN (left by their program)');
    expect(finding).toMatchObject({ blame: 'peer-host or path', severity: 'notice', count: 8 });
    expect(finding.forecast.kind).toBe('at');
    expect(finding.remedies.find(({ id }) => id === 'drop')?.command).toMatch(/^lastack clear /);
  });

  it('one that a program still holds, and the dead host behind one', () => {
    expect(findHeldFin(lastAckBlackhole, LAST_ACK)[0].title).toContain('node (pid 812)');
    expect(findFinToDeadNeighbour(lastAckBlackhole, LAST_ACK)[0].blame).toBe('peer-host');
  });
});

describe('last-ack-blackhole stays silent', () => {
  it.each(ordinaryFins(LAST_ACK))('%s', (_, socket) => {
    expect(findIn(lastAckBlackhole, [listener(8080), socket])).toEqual([]);
  });
});
