import type { ForecastInput } from '../forecast/input.ts';
import type { SocketOptions } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import type { RetuneKey } from './options.ts';

/** The longest wait after FIN_WAIT2 that the kernel gives to a minisocket in one piece. */
const MINISOCKET_SECONDS = 60;

const UNCONNECTED: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);
const IN_FLIGHT: ReadonlySet<number> = new Set([TimerCode.RETRANSMIT, TimerCode.ZERO_WINDOW_PROBE]);

/** What the changed options do not do on this socket as it stands, one line each. */
export function retuneLimits(input: ForecastInput, changed: readonly RetuneKey[], after: SocketOptions): string[] {
  const has = (key: RetuneKey) => changed.includes(key);
  const lines: string[] = [];
  if (input.state === TcpState.LISTEN) {
    lines.push('a listener: what it accepts from now on inherits the options; what it has accepted already does not');
  }
  if (changed.some((key) => key.startsWith('keepalive'))) lines.push(...keepaliveLimits(input, after));
  if (has('userTimeoutMs') && after.userTimeoutMs > 0) lines.push(...userTimeoutLimits(input, after));
  if (has('linger2Seconds')) lines.push(linger2Limit(after));
  if (has('synCount')) lines.push(...synCountLimits(input));
  if (has('rtoMaxMs') && IN_FLIGHT.has(input.timer)) lines.push(armedTimer('RTO maximum holds'));
  return lines;
}

function keepaliveLimits({ state, timer }: ForecastInput, { keepalive }: SocketOptions): string[] {
  if (!keepalive) return ['keepalive off: on an idle connection nothing notices whether the peer is still there'];
  if (state === TcpState.SYN_SENT) return ['keepalive begins when the connection stands'];
  if (!IN_FLIGHT.has(timer)) return [];
  return ['keepalive stands back while data is in flight; what limits that is the user timeout'];
}

function userTimeoutLimits(input: ForecastInput, { keepalive }: SocketOptions): string[] {
  if (UNCONNECTED.has(input.state)) return [];
  if (IN_FLIGHT.has(input.timer)) return [armedTimer('user timeout is looked at')];
  const idle = 'the user timeout does nothing while the connection is idle; it counts once something is unacknowledged';
  return [keepalive ? `${idle}, and for keepalive it takes the place of the number of probes` : idle];
}

function armedTimer(what: string): string {
  return `the timer that runs is not shortened: the ${what} when it fires`;
}

function linger2Limit({ linger2Seconds: seconds }: SocketOptions): string {
  if (seconds < 0)
    return 'linger2 -1: once the program closes, the connection is dropped instead of entering FIN_WAIT2';
  const waitSeconds = seconds > MINISOCKET_SECONDS ? 2 * (seconds - MINISOCKET_SECONDS) : seconds;
  const odd = waitSeconds === seconds ? '' : ` (above ${MINISOCKET_SECONDS} the kernel waits twice what exceeds it)`;
  return `linger2 matters only once the program closes: FIN_WAIT2 then lasts ${waitSeconds} s${odd}`;
}

function synCountLimits({ state }: ForecastInput): string[] {
  if (state === TcpState.SYN_SENT || state === TcpState.CLOSE || state === TcpState.BOUND_INACTIVE) return [];
  if (state === TcpState.LISTEN)
    return ['the SYN count of a listener limits the SYN-ACKs to clients that are half-open'];
  return ['the SYN count does nothing on a connection that stands'];
}
