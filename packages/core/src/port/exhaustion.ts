export interface ExhaustionInput {
  /** Local ports to choose from. */
  ports: number;
  /** Connections now that are not in TIME_WAIT. */
  open: number;
  /** By how many these grew between the two reads. */
  openGrowth: number;
  /** Ports newly taken between the two reads. */
  taken: number;
  elapsedMs: number;
  /** When each TIME_WAIT of now ends. */
  expiriesMs: readonly number[];
  /** connect() may take over TIME_WAIT sockets that are older than a second. */
  reusable: boolean;
  /** How long a TIME_WAIT lasts. */
  timeWaitMs: number;
}

/** When connect() finds no local port any more, if all goes on at the rate of the two reads. */
export type Exhaustion =
  | { kind: 'now'; because: string }
  | { kind: 'in'; inMs: number; because: string }
  | { kind: 'not at this rate'; because: string };

const REUSE_AFTER_SECONDS = 1;

/**
 * Steps through the next minute a second at a time: those in TIME_WAIT now end when their timers say, and what is closed
 * from now on stays for a minute. After that minute only a growing number of open connections can use up the rest.
 */
export function exhaustionOf(input: ExhaustionInput): Exhaustion {
  const { ports, open, reusable, timeWaitMs, taken } = input;
  const scale = 1000 / input.elapsedMs;
  const growth = isNoise(input) ? 0 : input.openGrowth * scale;
  // What is opened and does not stay open is closed; so is what was open and is no more.
  const closing = Math.max(0, taken * scale - growth);
  const seconds = timeWaitMs / 1000;
  const staysSeconds = reusable ? REUSE_AFTER_SECONDS : seconds;
  const alive = aliveBySecond(input);
  if (open + alive[0] >= ports) return { kind: 'now', because: 'every local port towards it is taken' };
  for (let second = 1; second <= seconds; second++) {
    const fresh = closing * Math.min(second, staysSeconds);
    if (open + growth * second + alive[second] + fresh >= ports) {
      return { kind: 'in', inMs: second * 1000, because: 'ports are taken faster than they are given back' };
    }
  }
  const left = Math.max(0, open + growth * seconds);
  // Where all that was open is closed, only what is opened anew is left to be closed.
  const settled = left + (left > 0 ? closing : taken * scale) * staysSeconds;
  if (growth > 0) {
    const inMs = timeWaitMs + Math.ceil((ports - settled) / growth) * 1000;
    return { kind: 'in', inMs, because: 'the number of open connections grows' };
  }
  if (taken === 0) return { kind: 'not at this rate', because: 'no port was taken between the two reads' };
  const what = reusable ? 'what connect cannot take over settles' : 'it settles';
  return { kind: 'not at this rate', because: `${what} at about ${Math.round(settled)} ports` };
}

/** How many of the TIME_WAIT of now still hold their port after so many seconds. */
function aliveBySecond({ expiriesMs, reusable, timeWaitMs }: ExhaustionInput): Uint32Array {
  const seconds = timeWaitMs / 1000;
  // One that connect() may take over does not count beyond its first second.
  const lessMs = reusable ? timeWaitMs - REUSE_AFTER_SECONDS * 1000 : 0;
  const alive = new Uint32Array(seconds + 2);
  for (const ms of expiriesMs) {
    if (ms > lessMs) alive[Math.min(seconds, Math.ceil((ms - lessMs) / 1000) - 1)]++;
    else if (!reusable) alive[0]++;
  }
  for (let second = seconds - 1; second >= 0; second--) alive[second] += alive[second + 1];
  return alive;
}

/** A few connections more or less within one interval are chance. */
function isNoise({ openGrowth, taken }: ExhaustionInput): boolean {
  return Math.abs(openGrowth) <= 2 * Math.sqrt(Math.max(taken, 1));
}
