import type { ForecastInput } from './input.ts';

/** The base of the kernel's give-up time: a constant, whatever tcp_rto_min_us says (TCP_RTO_MIN). */
const MODEL_BASE_MS = 200;
/** The initial RTO, which is the base for connections that are not yet established. */
export const INITIAL_RTO_MS = 1000;
/** TCP_RTO_MAX, the only maximum before tcp_rto_max_ms (6.15). */
const RTO_MAX_MS = 120_000;
/** What tcp_orphan_retries = 0 means while the RTO is below its maximum. */
const ORPHAN_RETRIES_ALIVE = 8;

/**
 * The time that `retries` retransmissions would take if the RTO had started at `baseMs` (tcp_model_timeout): doubling
 * up to the maximum, which then repeats. The kernel gives up once this much time has passed, however many
 * retransmissions there were.
 */
export function modelTimeoutMs(retries: number, rtoMaxMs: number, baseMs: number = MODEL_BASE_MS): number {
  const doublings = Math.floor(Math.log2(rtoMaxMs / baseMs));
  if (retries <= doublings) return (2 ** (retries + 1) - 1) * baseMs;
  return (2 ** (doublings + 1) - 1) * baseMs + (retries - doublings) * rtoMaxMs;
}

/** The socket's maximum RTO: its own, else the namespace's (it was copied when the socket was made), else 120 s. */
export function rtoMaxMs(input: ForecastInput): number {
  const known = input.socketOptions?.rtoMaxMs ?? input.settings.tcp_rto_max_ms ?? RTO_MAX_MS;
  // An RTO above it shows that the socket was made under another setting.
  return (input.info?.rtoMs ?? 0) > known ? RTO_MAX_MS : known;
}

/** How many retries an orphan is granted while its backed-off RTO is (`alive`) or is not below the maximum. */
export function orphanRetries(setting: number, alive: boolean): number {
  return setting === 0 && alive ? ORPHAN_RETRIES_ALIVE : setting;
}
