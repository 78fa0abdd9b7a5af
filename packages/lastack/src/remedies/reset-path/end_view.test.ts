import { decodeSegment, encodeSegment, type Segment, TcpFlag } from '@lastack/kernel';
import { describe, expect, it } from 'vitest';
import { EndView } from './end_view.ts';
import { endResult, pathResult } from './result.ts';

const A = { address: '192.0.2.1', port: 1_000 };
const B = { address: '192.0.2.2', port: 80 };

const views = () => ({ a: new EndView(A), b: new EndView(B) });
const seen = (packet: Uint8Array) => decodeSegment(packet) as Segment;

/** A segment from A to B. */
function fromA(flags: number, sequence: number, acknowledgment = 0, dataBytes = 0): Segment {
  const { a, b } = views();
  const tcp = { sourcePort: A.port, destinationPort: B.port, sequence, acknowledgment, flags };
  const payload = new Uint8Array(dataBytes);
  return seen(encodeSegment({ source: a.wire.address, destination: b.wire.address, tcp, payload }));
}

describe('one end as its packets tell of it', () => {
  it('expects what it acknowledged last, also across the wrap of numbers', () => {
    const { a, b } = views();
    expect(a.resets(b)).toEqual([]);
    a.observe(fromA(TcpFlag.ACK, 10, 0xffff_fff0));
    a.observe(fromA(TcpFlag.ACK, 10, 5));
    a.observe(fromA(TcpFlag.ACK, 10, 0xffff_fff0));
    const [reset, ...others] = a.resets(b).map(seen);
    expect(others).toEqual([]);
    expect(reset.tcp).toMatchObject({ sourcePort: 80, destinationPort: 1_000, sequence: 5, flags: TcpFlag.RST });
  });

  it('may have received what the other end sent since', () => {
    const { a, b } = views();
    b.observe(fromA(TcpFlag.ACK | TcpFlag.PSH, 100, 7, 20));
    a.observe(fromA(TcpFlag.ACK, 7, 100));
    expect(a.resets(b).map((packet) => seen(packet).tcp.sequence)).toEqual([100, 120]);
  });

  it('learns from the retransmission of a FIN', () => {
    const { a, b } = views();
    a.observe(fromA(TcpFlag.FIN | TcpFlag.ACK, 500, 42, 3));
    expect([a.expects, a.next, a.hasSpoken]).toEqual([42, 504, true]);
    const question = seen(a.question(b)).tcp;
    // Just outside of the window, naming what A has sent: so a firewall that tracks connections knows it.
    expect(question).toMatchObject({ flags: TcpFlag.ACK, sequence: 41, acknowledgment: 504 });
  });

  it('guesses two opposite numbers where nothing is known', () => {
    const { a, b } = views();
    const [one, other] = [seen(a.question(b)).tcp.sequence, seen(a.question(b)).tcp.sequence];
    expect((one - other) >>> 0).toBe(2 ** 31);
  });

  it('takes a reset for an answer only if it names the number that was asked with', () => {
    const { a, b } = views();
    const { acknowledgment } = seen(a.question(b)).tcp;
    a.observe(fromA(TcpFlag.RST, (acknowledgment + 1) >>> 0));
    expect(a.denied).toBe(false);
    a.observe(fromA(TcpFlag.RST, acknowledgment));
    expect(a.denied).toBe(true);
    a.question(b);
    expect(a.denied).toBe(false);
  });

  it('is refused the number of its SYN, and a new connection has new numbers', () => {
    const { a, b } = views();
    expect(a.refusal(b)).toBeUndefined();
    a.observe(fromA(TcpFlag.ACK, 0x9000_0000, 0x9000_0000));
    a.observe(fromA(TcpFlag.SYN, 0xffff_ffff));
    expect([a.attempted, a.expects, a.next]).toEqual([true, undefined, 0]);
    const refusal = seen(a.refusal(b) as Uint8Array).tcp;
    expect(refusal).toMatchObject({ flags: TcpFlag.RST | TcpFlag.ACK, acknowledgment: 0 });
    a.observe(fromA(TcpFlag.ACK, 0, 8));
    expect([a.attempted, a.expects]).toEqual([false, 8]);
  });
});

describe('both ends together', () => {
  it.each([
    ['reset', 'reset', 'cleared', undefined],
    ['reset', 'absent', 'cleared', undefined],
    ['reset', 'silent', 'cleared', /^perhaps the end at 192\.0\.2\.2:80 /],
    ['went-silent', 'unreachable', 'cleared', /192\.0\.2\.1:1000 .*192\.0\.2\.2:80 /],
    ['absent', 'absent', 'already-gone', undefined],
    ['reset', 'still-there', 'still-stuck', /192\.0\.2\.2:80/],
    ['silent', 'absent', 'still-stuck', undefined],
    ['silent', 'unreachable', 'still-stuck', undefined],
  ] as const)('%s and %s is %s', (one, other, outcome, remains) => {
    const result = pathResult([endResult(A, one), endResult(B, other)], 1_000);
    expect(result.outcome).toBe(outcome);
    if (remains) expect(result.remains).toMatch(remains);
    else expect(result.remains).toBeUndefined();
  });
});
