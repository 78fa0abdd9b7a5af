import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { forecastFinWait2First, forecastFinWait2Mini } from './fin_wait2.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput, ForecastOptions, Working } from './input.ts';
import { forecastKeepalive } from './keepalive.ts';
import { asOfInfo, countedFromBefore, either } from './read_time.ts';
import { Because, never, unknown } from './reasons.ts';
import { forecastRequest } from './request.ts';
import { forecastRetransmit } from './retransmit.ts';
import { forecastSyn } from './syn.ts';
import { forecastTimeWait } from './timewait.ts';
import { forecastZeroWindow } from './zero_window.ts';

/**
 * When this socket goes away by itself, by the rules of Linux 4.10 to 6.18 (net/ipv4/tcp_timer.c). Memory pressure,
 * tcp_max_orphans and tcp_max_tw_buckets can end sockets sooner and are not considered.
 */
export function forecastSocket(input: ForecastInput, options?: ForecastOptions): Forecast {
  const { readWithinMs } = input;
  if (!options?.explain) return countedFromBefore(forecastReadings(input, undefined), readWithinMs);
  const steps: string[] = [];
  const forecast = countedFromBefore(forecastReadings(input, steps), readWithinMs);
  return { ...forecast, steps };
}

function forecastReadings(input: ForecastInput, steps: Working): Forecast {
  const [reading, other] = asOfInfo(input);
  const forecast = forecastState(reading, steps);
  if (other === undefined) return forecast;
  steps?.push('or, as the timer was due while the socket was read:');
  return either(forecast, forecastState(other, steps));
}

function forecastState(input: ForecastInput, steps: Working): Forecast {
  switch (input.state) {
    case TcpState.TIME_WAIT:
      return forecastTimeWait(input);
    case TcpState.LISTEN:
      return never(Because.listen);
    case TcpState.CLOSE:
    case TcpState.BOUND_INACTIVE:
      return never(Because.bound);
    case TcpState.SYN_SENT:
      return input.timer === TimerCode.RETRANSMIT ? forecastSyn(input, steps) : unknown(Because.noRule);
    case TcpState.SYN_RECV:
    case TcpState.NEW_SYN_RECV:
      return forecastSynReceived(input, steps);
    default:
      return forecastConnection(input, steps);
  }
}

function forecastSynReceived(input: ForecastInput, steps: Working): Forecast {
  if (input.timer !== TimerCode.RETRANSMIT) return unknown(Because.noRule);
  return input.kind === 'request' ? forecastRequest(input, steps) : forecastSyn(input, steps);
}

/** ESTABLISHED and the closing states: the timer that runs decides. */
function forecastConnection(input: ForecastInput, steps: Working): Forecast {
  switch (input.timer) {
    case TimerCode.RETRANSMIT:
      return forecastRetransmit(input, steps);
    case TimerCode.ZERO_WINDOW_PROBE:
      return forecastZeroWindow(input, steps);
    case TimerCode.TIME_WAIT:
      return forecastFinWait2Mini(input, steps);
    case TimerCode.KEEPALIVE:
      return forecastSlowTimer(input, steps);
    case TimerCode.NONE:
      return never(untimed(input));
    default:
      return unknown(Because.noRule);
  }
}

/** One kernel timer serves keepalive and the first phase of an orphan's FIN_WAIT2. */
function forecastSlowTimer(input: ForecastInput, steps: Working): Forecast {
  if (input.kind !== 'orphan') return forecastKeepalive(input, steps);
  return input.state === TcpState.FIN_WAIT2 ? forecastFinWait2First(input, steps) : unknown(Because.noRule);
}

function untimed({ state, kind }: ForecastInput): string {
  if (kind === 'orphan') return Because.immortal;
  if (kind === 'unaccepted') return Because.unaccepted;
  if (state === TcpState.ESTABLISHED) return Because.idle;
  if (state === TcpState.FIN_WAIT2) return Because.finWait2Held;
  if (state === TcpState.CLOSE_WAIT) return Because.closeWait;
  return Because.noTimer;
}
