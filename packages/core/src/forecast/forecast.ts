/**
 * When a socket goes away by itself. Times are milliseconds from the snapshot.
 * - `at`: between the two times, unless a packet, the program or an administrator ends it sooner
 * - `when`: an event decides, named in `because`; times, if given, hold for the case that nothing more is heard from
 *   the peer
 * - `never`: nothing that runs now will end it
 * - `unknown`: the evidence does not carry a forecast, `because` says what is missing
 */
export interface Forecast {
  kind: 'at' | 'when' | 'never' | 'unknown';
  earliestMs?: number;
  latestMs?: number;
  because: string;
  /** Where the truth is one of two separate times: both, in order. earliestMs/latestMs span them. */
  modes?: readonly { earliestMs: number; latestMs: number }[];
  /** The working, one step a line, for `lastack why`. Only filled when asked for. */
  steps?: readonly string[];
}
