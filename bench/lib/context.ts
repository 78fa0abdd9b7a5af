/** What every benchmark is given. */
export interface BenchContext {
  /** Path of lastack's own executable script. */
  command: string;
  /** Path of the built lab actor. */
  actorFile: string;
  /** What the benchmark is to be limited to (scenarios of the forecast); empty = everything. */
  only: readonly string[];
  /** One block of the result, on standard output. */
  print(text: string): void;
  /** What is going on, on standard error. */
  progress(text: string): void;
}
