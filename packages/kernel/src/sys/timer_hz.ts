import type { Libc } from './libc.ts';

/** clock_getres(2): its resolution is that of the kernel's timer interrupt. */
const CLOCK_MONOTONIC_COARSE = 6;
const SECOND_NS = 1e9;
/** What kernels are built with lies well within. */
const [LEAST_HZ, MOST_HZ] = [10, 10_000];

/**
 * Ticks per second that this kernel was built with (CONFIG_HZ), for whoever asks and also where no file tells; undefined
 * where the answer cannot be that (a kernel that only pretends to be Linux).
 */
export function readTimerHz(libc: Pick<Libc, 'clockResolutionNs'>): number | undefined {
  const tickNs = libc.clockResolutionNs(CLOCK_MONOTONIC_COARSE);
  const hz = tickNs === undefined ? 0 : Math.round(SECOND_NS / tickNs);
  return hz >= LEAST_HZ && hz <= MOST_HZ ? hz : undefined;
}
