import type { Forecast } from './forecast/forecast.ts';
import type { FirstLook, NamespaceSnapshot, Row, Snapshot } from './snapshot.ts';
import type { SocketRef, SocketRefs } from './socket_refs.ts';

/** Whose fault. `peer-host or path`: the evidence cannot tell the two apart, and the finding says what would. */
export type Blame = 'local-app' | 'peer-app' | 'peer-host' | 'path' | 'peer-host or path' | 'kernel-setting' | 'nobody';

export type Severity = 'critical' | 'warning' | 'notice';

/** A fact with its value and where it was read. */
export interface Evidence {
  fact: string;
  value: string | number;
  source: string;
}

export type { SocketRef, SocketRefs } from './socket_refs.ts';

/** Something that can be done now. `command` is complete and can be pasted; absent when no command does it. */
export interface RemedyAdvice {
  id: string;
  what: string;
  command?: string;
  /** What is lost or risked by it. */
  cost?: string;
  /** The kernel setting that `command` sets, by its short name. */
  setting?: { name: string; value: string };
}

/** Bounds on the time a socket has spent in its state, milliseconds. `to` undefined: no upper bound is known. */
export interface AgeBounds {
  fromMs: number;
  toMs?: number;
}

/** A rule's verdict on one group of sockets. */
export interface Finding {
  rule: string;
  blame: Blame;
  severity: Severity;
  /** Sockets concerned; for findings on counts (overflow, pressure) the number that counts. */
  count: number;
  title: string;
  /** One or two sentences: what happened and why, carried by the evidence. */
  cause: string;
  /** What would settle it, where blame or cause could not be told. */
  wouldTell?: string;
  evidence: readonly Evidence[];
  forecast: Forecast;
  remedies: readonly RemedyAdvice[];
  /** All sockets of the group (a report prints a few as examples). */
  sockets: SocketRefs;
  /** The other ends, where visible, in the order of `sockets`; undefined where not visible. */
  peers?: SocketRefs<SocketRef | undefined>;
  age?: AgeBounds;
  namespace: NamespaceSnapshot;
}

/**
 * What a rule may ask the observer to fetch for its candidate rows, beyond the cheap first pass. `conntrack` is fetched
 * for every visible namespace: the firewall is often another one than the socket's. `counters` are read a second time
 * for every namespace. A rule without needs is judged while the others' are being fetched.
 */
export type Need = 'info' | 'owners' | 'activity' | 'path' | 'options' | 'conntrack' | 'counters';

export interface RuleContext {
  snapshot: Snapshot;
  /** The other end when exactly one visible socket has the mirrored addresses in a state that fits; else undefined. */
  peerOf(ref: SocketRef): SocketRef | undefined;
  forecast(ref: SocketRef): Forecast;
  /**
   * `build(namespace)`, run at most once per namespace and function in one diagnosis: for indexes over a table of
   * hundreds of thousands of rows that several rules share. `createMemo` in rules/shared/memo.ts implements it.
   */
  memo<T>(namespace: NamespaceSnapshot, build: (namespace: NamespaceSnapshot) => T): T;
}

/**
 * A rule. `candidate` looks at the first pass only, and is asked once for all sockets of its states that are alike.
 * `diagnose` is called once per namespace with the candidates, after what `needs` names was fetched, also when there
 * are none (rules on counts work from settings and counters).
 */
export interface Rule {
  id: string;
  states: readonly number[];
  needs: readonly Need[];
  candidate(namespace: { table: FirstLook }, row: Row): boolean;
  /**
   * Further rows whose TCP_INFO speaks for or against the candidates (other connections to the same address). They are
   * only fetched, not diagnosed. Called once per namespace, before anything is fetched, where there are candidates.
   */
  witnesses?(namespace: NamespaceSnapshot, candidates: readonly Row[]): readonly Row[];
  diagnose(namespace: NamespaceSnapshot, rows: readonly Row[], context: RuleContext): Finding[];
}
