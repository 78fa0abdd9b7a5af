/** Milliseconds of a clock that is never set back. (`performance` would be loaded for half a millisecond first.) */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
