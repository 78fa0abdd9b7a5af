const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/**
 * A duration for people, in one or two units: `0 ms`, `250 ms`, `4.2 s`, `38 s`, `15 min 38 s`, `2 h 11 min`, `3 d`.
 * `ms` is a number of milliseconds; a negative or non-finite one is a mistake of the caller and prints as it is.
 */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return `${ms} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${trimZero((ms / 1000).toFixed(1))} s`;
  const whole = Math.round(ms / 1000) * 1000;
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first === UNITS.length - 1) return `${whole / 1000} s`;
  return twoUnits(whole, first);
}

/** Rounds to the second unit first, so that 59 min 59.9 s becomes `1 h` and never `60 min`. */
function twoUnits(ms: number, first: number): string {
  const [, small] = UNITS[first + 1];
  const rounded = Math.round(ms / small) * small;
  const carried = UNITS.findIndex(([, size]) => rounded >= size);
  const [name, size] = UNITS[carried];
  const [restName, restSize] = UNITS[Math.min(carried + 1, UNITS.length - 1)];
  const count = Math.floor(rounded / size);
  const rest = Math.floor((rounded - count * size) / restSize);
  return rest === 0 ? `${count} ${name}` : `${count} ${name} ${rest} ${restName}`;
}

function trimZero(text: string): string {
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}
