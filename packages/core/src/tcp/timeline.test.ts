import { describe, expect, it } from 'vitest';
import type { StateName } from './states.ts';
import { type CloseView, closeTimeline } from './timeline.ts';
import { drawTimeline } from './timeline_draw.ts';

const missing = (view: CloseView) => closeTimeline(view).find((step) => step.missing);
const done = (view: CloseView) =>
  closeTimeline(view)
    .filter((step) => step.done === true)
    .map((step) => step.id);

describe('close timeline', () => {
  it.each([
    ['FIN_WAIT1', ['local close', 'local FIN'], 'ACK of local FIN', 'peer'],
    ['FIN_WAIT2', ['local close', 'local FIN', 'ACK of local FIN'], 'peer FIN', 'peer'],
    ['CLOSE_WAIT', ['peer close', 'peer FIN', 'ACK of peer FIN'], 'local close', 'local'],
    ['LAST_ACK', ['peer close', 'peer FIN', 'ACK of peer FIN', 'local close', 'local FIN'], 'ACK of local FIN', 'peer'],
    ['CLOSING', ['local close', 'peer close', 'local FIN', 'peer FIN', 'ACK of peer FIN'], 'ACK of local FIN', 'peer'],
  ] as const)('%s by its state alone', (state, steps, missingStep, by) => {
    expect(done({ state })).toEqual(steps);
    expect(missing({ state })).toMatchObject({ id: missingStep, by });
    expect(closeTimeline({ state }).filter((step) => step.missing)).toHaveLength(1);
  });

  it('has nothing missing in TIME_WAIT, and nothing at all before a close', () => {
    expect(done({ state: 'TIME_WAIT' })).toHaveLength(6);
    expect(missing({ state: 'TIME_WAIT' })).toBeUndefined();
    for (const state of ['CLOSE', 'BOUND_INACTIVE', 'LISTEN', 'SYN_SENT', 'SYN_RECV', 'NEW_SYN_RECV', 'ESTABLISHED']) {
      expect(closeTimeline({ state: state as StateName })).toEqual([]);
    }
  });

  it('does not claim to know what the peer did where it cannot be seen', () => {
    for (const state of ['FIN_WAIT1', 'FIN_WAIT2'] as const) {
      expect(closeTimeline({ state }).find((step) => step.id === 'peer close')?.done).toBe('unknown');
    }
    expect(missing({ state: 'FIN_WAIT1' })?.note).toMatch(/the FIN or its ACK is lost; .* cannot be seen/);
  });

  it('names the end that must act when both are visible', () => {
    expect(missing({ state: 'FIN_WAIT2', peerState: 'CLOSE_WAIT' })).toMatchObject({ id: 'peer close', by: 'peer' });
    expect(missing({ state: 'CLOSE_WAIT', peerState: 'FIN_WAIT2' })).toMatchObject({ id: 'local close', by: 'local' });
    expect(missing({ state: 'FIN_WAIT2', peerState: 'LAST_ACK' })).toMatchObject({
      id: 'peer FIN',
      note: 'the other end has sent it and it has not arrived',
    });
    expect(missing({ state: 'FIN_WAIT2', peerState: 'gone' })?.note).toMatch(/no longer exists/);
    expect(missing({ state: 'LAST_ACK', peerState: 'gone' })?.note).toMatch(/no longer exists/);
    expect(missing({ state: 'ESTABLISHED', peerState: 'FIN_WAIT1' })).toMatchObject({ id: 'peer FIN' });
  });

  it('tells a lost FIN from a lost ACK by the state of the peer', () => {
    const fates = (peerState: CloseView['peerState']) =>
      closeTimeline({ state: 'FIN_WAIT1', peerState })
        .filter((step) => step.id === 'local FIN' || step.id === 'ACK of local FIN')
        .map((step) => step.segment?.fate);
    expect(fates('ESTABLISHED')).toEqual(['lost', 'unsent']);
    expect(fates('CLOSE_WAIT')).toEqual(['arrived', 'lost']);
    expect(fates(undefined)).toEqual(['unsure', 'unseen']);
    expect(fates('gone')).toEqual(['unsure', 'unseen']);
  });

  it('sees a FIN that waits behind data', () => {
    expect(missing({ state: 'FIN_WAIT1', probing: true, sendQueueBytes: 2001 })).toMatchObject({
      id: 'local FIN',
      done: false,
      note: 'it waits behind 2000 bytes of data, and the peer has shut its window',
    });
    expect(missing({ state: 'LAST_ACK', notSentBytes: 5, sendQueueBytes: 9 })?.id).toBe('local FIN');
    expect(missing({ state: 'FIN_WAIT1', notSentBytes: 0, sendQueueBytes: 2001 })?.id).toBe('ACK of local FIN');
    const queued = closeTimeline({ state: 'FIN_WAIT1', sendQueueBytes: 2001 }).find((step) => step.id === 'local FIN');
    expect(queued).toMatchObject({ done: 'unknown', note: expect.stringContaining('cannot be told') });
    const purged = closeTimeline({ state: 'FIN_WAIT1', sendQueueBytes: 0 }).find((step) => step.id === 'local FIN');
    expect(purged).toMatchObject({ done: 'unknown', note: expect.stringContaining('not even the FIN') });
  });

  it.each([
    [{ receiveQueueBytes: 0 }, /read the end of file and has not closed/],
    [{ receiveQueueBytes: 1 }, /has not read the end of file/],
    [{ receiveQueueBytes: 513 }, /left 512 bytes unread/],
    [{ receiveQueueBytes: 1, kind: 'unaccepted' }, /not accepted/],
  ] as const)('CLOSE_WAIT with %o', (facts, note) => {
    expect(missing({ state: 'CLOSE_WAIT', ...facts })?.note).toMatch(note);
  });
});

describe('the drawn timeline', () => {
  const VIEWS: readonly CloseView[] = [
    { state: 'FIN_WAIT1' },
    { state: 'FIN_WAIT1', peerState: 'ESTABLISHED' },
    { state: 'FIN_WAIT1', peerState: 'CLOSE_WAIT' },
    { state: 'FIN_WAIT1', peerState: 'FIN_WAIT1' },
    { state: 'FIN_WAIT1', peerState: 'ESTABLISHED', probing: true },
    { state: 'FIN_WAIT2', peerState: 'CLOSE_WAIT' },
    { state: 'FIN_WAIT2', peerState: 'gone' },
    { state: 'CLOSE_WAIT', peerState: 'FIN_WAIT2' },
    { state: 'LAST_ACK', peerState: 'TIME_WAIT' },
    { state: 'CLOSING', peerState: 'CLOSING' },
    { state: 'TIME_WAIT' },
    { state: 'ESTABLISHED', peerState: 'FIN_WAIT1' },
  ];

  it('is the picture it was', () => {
    expect(VIEWS.map((view) => drawTimeline(view).join('\n')).join('\n\n')).toMatchSnapshot();
  });

  it('keeps to its width and to ASCII', () => {
    for (const view of VIEWS) {
      for (const width of [40, 60, 200]) {
        const lines = drawTimeline(view, { width, ascii: true });
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.min(width, 68));
        expect(lines.join('')).toMatch(/^[ -~]*$/);
      }
    }
  });

  it('shows what is missing once, and can emphasize that row', () => {
    for (const view of VIEWS.filter(({ state }) => state !== 'TIME_WAIT')) {
      const rows = drawTimeline(view, { emphasize: (text) => `<<${text}>>` }).filter((row) => row.startsWith('<<'));
      expect(rows).toHaveLength(1);
      expect(rows[0]).toContain('missing');
    }
  });

  it('ends a lost arrow in a cross', () => {
    const [fin] = drawTimeline({ state: 'FIN_WAIT1', peerState: 'ESTABLISHED' }).filter((row) => row.includes('FIN ─'));
    expect(fin).toMatch(/├─+ FIN ─+✗ {2}│$/);
  });
});
