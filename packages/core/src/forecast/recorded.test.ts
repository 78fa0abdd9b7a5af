import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Settings, SocketOptions, TcpInfo } from '../snapshot.ts';
import { socketKind, TimerCode } from '../tcp/kind.ts';
import { ageBounds } from './age.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput } from './input.ts';
import { forecastSocket } from './socket.ts';
import { QUIET_INFO } from './testing_input.ts';

/** One recording: what was done, on which kernel, and each socket's samples with the time it vanished. */
interface Recording {
  what: string;
  timerHz: number;
  settings: Settings;
  socketOptions?: SocketOptions;
  columns: string[];
  sockets: { enteredMs?: number; lastSeenMs?: number; goneMs?: number; rows: number[][] }[];
}

/** A sample: what the kernel said at `atMs`, and when the socket entered its state and was gone, on the same clock. */
interface Sample {
  atMs: number;
  input: ForecastInput;
  enteredMs?: number;
  lastSeenMs?: number;
  goneMs?: number;
}

const FOLDER = new URL('./fixtures/', import.meta.url);

function recordingNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));
}

function samplesOf(name: string): Sample[] {
  const recording = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as Recording;
  return recording.sockets.flatMap(({ rows, ...times }) =>
    rows.map((row) => {
      const cells = Object.fromEntries(row.map((value, index) => [recording.columns[index], value]));
      return { atMs: cells.atMs, input: inputFrom(cells, recording), ...times };
    }),
  );
}

function inputFrom(cells: Record<string, number>, recording: Recording): ForecastInput {
  const { state, timer, inode } = cells;
  return {
    state,
    timer,
    kind: socketKind(state, timer, inode),
    timerExpiresMs: cells.expiresMs,
    timerRetries: cells.retries,
    receiveQueue: cells.receiveQueue,
    sendQueue: cells.sendQueue,
    info: infoFrom(cells),
    settings: recording.settings,
    socketOptions: recording.socketOptions,
    timerHz: recording.timerHz,
  };
}

/** Rows of minisockets and requests end before the first column of TCP_INFO. */
function infoFrom(cells: Record<string, number>): TcpInfo | undefined {
  if (cells.rtoMs === undefined) return undefined;
  const known = Object.entries(cells).filter(([name]) => name in QUIET_INFO);
  // A recording holds the count once: the kernel tells the same number in both places.
  const count = cells.timer === TimerCode.ZERO_WINDOW_PROBE ? { probes: cells.retries } : {};
  return { ...QUIET_INFO, ...Object.fromEntries(known), ...count };
}

/** The same sample as a kernel before 6.7 would have given it. */
function beforeTotalRto(input: ForecastInput): ForecastInput {
  if (input.info === undefined) return input;
  const { totalRto, totalRtoRecoveries, totalRtoTimeMs, ...info } = input.info;
  return { ...input, info };
}

/** Recordings of real sockets up to their end; those named age-… end while the socket lives. */
const DEATHS = recordingNames().filter((name) => !name.startsWith('age-'));
/** Timeouts kept from doubling by host-unreachable errors. */
const HELD_BACK = ['fw1-host-gone', 'fw1-host-gone-orphan', 'est-host-gone-default-neigh'];
/**
 * Their RTO starts far below the 200 ms of the kernel's model, or TCP_LINGER2 is not visible, or two courses of events
 * are possible: wide by nature.
 */
const WIDE = new Set(['fw1-orphan-rtomin20', 'est-rtomin20', 'fw2-linger20', 'fw2-linger70', ...HELD_BACK]);

function truthInside({ atMs, lastSeenMs = 0, goneMs = 0 }: Sample, forecast: Forecast): boolean {
  const spans = forecast.modes ?? [forecast];
  return spans.some(
    ({ earliestMs = Infinity, latestMs = -Infinity }) => goneMs - atMs >= earliestMs && lastSeenMs - atMs <= latestMs,
  );
}

function shareInside(samples: readonly Sample[], change: (input: ForecastInput) => ForecastInput): number {
  const inside = samples.filter((sample) => truthInside(sample, forecastSocket(change(sample.input))));
  return inside.length / samples.length;
}

const TWICE_TOLD: readonly number[] = [TimerCode.RETRANSMIT, TimerCode.ZERO_WINDOW_PROBE];

/** The timer of one look with the TCP_INFO of the next, where it is the same socket and retransmits or probes. */
function readApart(sample: Sample, next: Sample | undefined): Sample[] {
  const { input, atMs } = sample;
  if (!next || next.goneMs !== sample.goneMs || next.atMs <= atMs || next.input.state !== input.state) return [];
  if (!TWICE_TOLD.includes(input.timer) || next.input.timer !== input.timer || !next.input.info) return [];
  const info = { ...next.input.info, retransmits: next.input.timerRetries };
  return [{ ...sample, input: { ...input, info, readWithinMs: next.atMs - atMs } }];
}

test('of the looks at retransmitting sockets, some have a firing between them', () => {
  const pairs = DEATHS.flatMap((name) => {
    const samples = samplesOf(name);
    return samples.flatMap((sample, index) => readApart(sample, samples[index + 1]));
  });
  const fired = (timer: number, count: 'retransmits' | 'probes') =>
    pairs.filter(({ input }) => input.timer === timer && input.info?.[count] === input.timerRetries + 1).length;
  expect(fired(TimerCode.RETRANSMIT, 'retransmits')).toBeGreaterThan(100);
  expect(fired(TimerCode.ZERO_WINDOW_PROBE, 'probes')).toBeGreaterThan(10);
});

test.each([
  ['not answered', 'zw-orphan-unanswered'],
  ['not answered, and owned', 'zw-owned-unanswered'],
  ['answered', 'zw-orphan-answered-rtomax5'],
  ['answered, with TCP_USER_TIMEOUT', 'zw-usertimeout'],
])('a window probe sent before TCP_INFO was read, and %s, does not count twice', (_, name) => {
  const samples = samplesOf(name);
  const fired = samples.flatMap((sample, index) => {
    const next = samples[index + 1];
    return next?.input.info?.backoff === (sample.input.info?.backoff ?? 0) + 1 ? readApart(sample, next) : [];
  });
  expect(fired.length).toBeGreaterThan(2);
  expect(shareInside(fired, (input) => input)).toBeGreaterThanOrEqual(0.95);
});

/** Median width of the forecast, relative to the true remaining time. */
function medianWidth(samples: readonly Sample[]): number {
  const widths = samples.map(({ atMs, goneMs = 0, input }) => {
    const { earliestMs = 0, latestMs = Infinity } = forecastSocket(input);
    return (latestMs - earliestMs) / Math.max(1, goneMs - atMs);
  });
  return widths.sort((a, b) => a - b)[widths.length >> 1];
}

describe.each(DEATHS)('end of %s', (name) => {
  const samples = samplesOf(name);

  test('the truth is inside for at least 95 % of the samples', () => {
    expect(samples.length).toBeGreaterThan(50);
    expect(shareInside(samples, (input) => input)).toBeGreaterThanOrEqual(0.95);
  });

  test('also without the total_rto fields that 6.7 brought', () => {
    expect(shareInside(samples, beforeTotalRto)).toBeGreaterThanOrEqual(0.95);
  });

  test('also where HZ is unknown', () => {
    expect(shareInside(samples, (input) => ({ ...input, timerHz: undefined }))).toBeGreaterThanOrEqual(0.95);
  });

  test('also where it counts from a moment before the reading', () => {
    const before = samples.map((sample, index) => {
      const readWithinMs = (index * 37) % 400;
      // The reading itself may have come at any time within.
      const atMs = sample.atMs - readWithinMs * ((index % 5) / 4);
      return { ...sample, atMs, input: { ...sample.input, readWithinMs } };
    });
    expect(shareInside(before, (input) => input)).toBeGreaterThanOrEqual(0.95);
  });

  test('also where TCP_INFO was read later than the retransmission timer, which may have fired in between', () => {
    const later = samples.flatMap((sample, index) => readApart(sample, samples[index + 1]));
    if (later.length < 50 || HELD_BACK.includes(name)) return;
    expect(shareInside(later, (input) => input)).toBeGreaterThanOrEqual(0.95);
  });

  test.skipIf(WIDE.has(name))('the bounds are tight', () => {
    expect(medianWidth(samples)).toBeLessThan(0.15);
  });
});

describe.each(HELD_BACK)('end of %s, where errors keep the timeout short', (name) => {
  const samples = samplesOf(name);

  test('the first of the two times is the true one, and at most two timeouts wide', () => {
    const first = samples.map(({ input, ...times }) => {
      const { earliestMs = 0, latestMs = 0, modes = [{ earliestMs, latestMs }] } = forecastSocket(input);
      return { sample: { input, ...times }, mode: modes[0], rtoMs: input.info?.rtoMs ?? 0 };
    });
    const inside = first.filter(({ sample, mode }) => truthInside(sample, { kind: 'at', because: '', ...mode }));
    expect(inside.length / samples.length).toBeGreaterThanOrEqual(0.95);
    const narrow = first.filter(({ mode, rtoMs }) => mode.latestMs - mode.earliestMs <= 2 * rtoMs);
    expect(narrow.length / samples.length).toBeGreaterThanOrEqual(0.8);
  });

  test('a next hop known to be silent changes nothing then', () => {
    for (const { input } of samples.filter(({ input }) => input.timerRetries > (input.info?.backoff ?? 0)))
      expect(forecastSocket({ ...input, pathUnreachable: true })).toEqual(forecastSocket(input));
  });
});

const AGED = recordingNames().filter((name) => samplesOf(name).some(({ enteredMs }) => enteredMs !== undefined));
/** Entering the state and sampling were timed from another process, a few milliseconds apart. */
const CLOCK_MS = 10;

describe.each(AGED)('age of %s', (name) => {
  test.each([
    ['as recorded', (input: ForecastInput) => input],
    ['before 6.7', beforeTotalRto],
    ['before 6.7, options unknown', (input: ForecastInput) => ({ ...beforeTotalRto(input), socketOptions: undefined })],
  ])('the true age is within the bounds, %s', (_, change) => {
    let told = 0;
    for (const { atMs, enteredMs = 0, input } of samplesOf(name)) {
      const age = ageBounds(change(input));
      if (age === undefined) continue;
      told++;
      expect(atMs - enteredMs).toBeGreaterThanOrEqual(age.fromMs - CLOCK_MS);
      if (age.toMs !== undefined) expect(atMs - enteredMs).toBeLessThanOrEqual(age.toMs + CLOCK_MS);
    }
    expect(told).toBeGreaterThan(0);
  });
});

test('recordings with a known beginning exist', () => {
  expect(AGED.length).toBeGreaterThanOrEqual(5);
});
