export { ageBounds } from './age.ts';
export type { Forecast } from './forecast.ts';
export type { ForecastInput, ForecastOptions } from './input.ts';
export { forecastNeedsInfo } from './needs_info.ts';
export { type ProbeAnswers, zeroWindowPeerAlive } from './peer_alive.ts';
export { modelTimeoutMs } from './rto_model.ts';
export { forecastSocket } from './socket.ts';
export { granuleMs } from './timer_wheel.ts';
export { TIME_WAIT_MS } from './timewait.ts';
