/**
 * The kernel keeps timers in a wheel of levels with 64 slots each (kernel/time/timer.c). The further away a timer is
 * when it is armed, the coarser its slot; it never fires early, and up to one slot late.
 */
const LEVEL_SLOTS = 64;
const LEVEL_RATIO = 8;
const LEVELS = 9;
const COMMON_HZ = [100, 250, 300, 1000] as const;

/** Length of one tick, milliseconds; the longest of the common ones where CONFIG_HZ is unknown. */
export function tickMs(hz: number | undefined): number {
  return 1000 / (hz ?? COMMON_HZ[0]);
}

/**
 * By how much at least a timer fires late that a timer handler armed, milliseconds. The wheel rounds up past the
 * wanted tick, and a handler runs just after one; half of the tick is left for a handler that was held up.
 */
export function leastLateMs(hz: number | undefined): number {
  return 500 / (hz ?? COMMON_HZ[COMMON_HZ.length - 1]);
}

/**
 * By how much a timer armed `delayMs` ahead may fire late, milliseconds: one slot of its level, and one tick for the
 * handler to run. `hz` undefined = the widest of the common values.
 */
export function granuleMs(delayMs: number, hz: number | undefined): number {
  if (hz !== undefined) return granuleAt(delayMs, hz);
  let widestMs = 0;
  for (const common of COMMON_HZ) widestMs = Math.max(widestMs, granuleAt(delayMs, common));
  return widestMs;
}

function granuleAt(delayMs: number, hz: number): number {
  const tick = 1000 / hz;
  const ticks = delayMs / tick;
  let slotTicks = 1;
  // The next, eight times coarser level takes over where the 63 usable slots of a level end.
  for (let level = 1; level < LEVELS && ticks >= (LEVEL_SLOTS - 1) * slotTicks; level++) slotTicks *= LEVEL_RATIO;
  return tick * (slotTicks + 1);
}
