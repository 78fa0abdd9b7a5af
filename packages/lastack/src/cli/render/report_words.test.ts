import { describe, expect, it } from 'vitest';
import { diagTableOf } from './report_testing.ts';
import { ageText, blameText, clearsWhen, connectionText, forecastText, ownerText } from './report_words.ts';

describe('ageText', () => {
  it.each<[number, number | undefined, string | undefined]>([
    [0, undefined, undefined],
    [240_000, undefined, 'at least 4 min'],
    [299_999, undefined, 'at least 4 min 59 s'],
    [251_000, 352_000, 'between 4 and 6 minutes'],
    [3_000, 9_000, 'between 3 and 9 seconds'],
    [59_900, 61_500, 'between 59 and 62 seconds'],
    [40_563, 40_571, 'about 41 s'],
    [0, 800, 'less than 1 s'],
    [0, 361_000, 'at most 6 min 1 s'],
    [4_000, 7_200_000, 'between 4 s and 2 h'],
    [8_000_000, 20_000_000, 'between 2 and 6 hours'],
    [200_000_000, 400_000_000, 'between 2 and 5 days'],
  ])('%d to %s ms: %s', (fromMs, toMs, expected) => {
    expect(ageText(toMs === undefined ? { fromMs } : { fromMs, toMs })).toBe(expected);
  });

  it('never claims less than the bounds allow, nor more', () => {
    const unit = { seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };
    for (let step = 0; step < 400; step++) {
      const fromMs = 1100 * 1.035 ** step;
      const text = ageText({ fromMs, toMs: fromMs * 1.7 + 1500 });
      const match = /^between (\d+) and (\d+) (\w+)$/.exec(text ?? '');
      if (!match) continue;
      const size = unit[match[3] as keyof typeof unit];
      expect(Number(match[1]) * size).toBeLessThanOrEqual(fromMs);
      expect(Number(match[2]) * size).toBeGreaterThanOrEqual(fromMs * 1.7 + 1500);
    }
  });
});

describe('forecasts in words', () => {
  it.each([
    [{ kind: 'never' as const, because: 'no timer runs' }, 'Never by itself. No timer runs.'],
    [{ kind: 'unknown' as const, because: 'TCP_INFO was not read' }, 'Cannot be told. TCP_INFO was not read.'],
    [{ kind: 'at' as const, earliestMs: 57_400, latestMs: 61_100, because: 'x' }, 'In 57 s to 1 min 2 s. X.'],
    [{ kind: 'at' as const, earliestMs: 0, latestMs: 1_500, because: 'x' }, 'Within 1.5 s. X.'],
    [{ kind: 'at' as const, earliestMs: 0, latestMs: 0, because: 'x' }, 'Any moment now. X.'],
    [{ kind: 'when' as const, because: 'the peer reads' }, 'No fixed time. The peer reads.'],
    [
      { kind: 'when' as const, earliestMs: 924_600, latestMs: 1_040_000, because: 'the peer reads' },
      'No fixed time; in 15 min 24 s to 17 min 20 s if nothing more is heard from the peer. The peer reads.',
    ],
  ])('%o', (forecast, expected) => expect(forecastText(forecast)).toBe(expected));

  it('names both times of a bimodal forecast', () => {
    const modes = [
      { earliestMs: 1_200, latestMs: 1_456 },
      { earliestMs: 102_400, latestMs: 205_000 },
    ];
    expect(clearsWhen({ kind: 'at', earliestMs: 1_200, latestMs: 205_000, modes, because: '' })).toBe(
      'either in 1.2 s to 1.5 s, or in 1 min 42 s to 3 min 25 s',
    );
  });
});

describe('names', () => {
  it('writes connections as their users know them', () => {
    const table = diagTableOf([
      { state: 1, local: '[::ffff:a00:1]:80', remote: '[::ffff:a00:2]:4000' },
      { state: 1, local: '[2001:db8::1]:80', remote: '[2001:db8::2]:4000' },
      { state: 10, local: '0.0.0.0:22', remote: '0.0.0.0:0' },
    ]);
    expect(connectionText(table, 0)).toBe('10.0.0.1:80 → 10.0.0.2:4000');
    expect(connectionText(table, 1)).toBe('[2001:db8::1]:80 → [2001:db8::2]:4000');
    expect(connectionText(table, 2)).toBe('0.0.0.0:22');
  });

  it('writes holders and blame', () => {
    expect(ownerText({ pid: 7, command: 'node', fd: 3 })).toBe('node (pid 7)');
    expect(ownerText({ pid: 7, command: 'node', fd: 3, unit: 'api.service' })).toBe('node (pid 7, api.service)');
    expect(blameText('path')).toBe('path: the way there (link, router, packet filter, NAT)');
  });
});
