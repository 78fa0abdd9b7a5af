import type { Abilities, ClearTarget, MeansId, Outcome, Preview, Refusal } from '@lastack/core';
import type { NetlinkTransport } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import type { Journal } from '../journal/journal.ts';

/** What a remedy has at hand while it is applied. */
export interface ApplyContext {
  effects: Effects;
  journal: Journal;
  /** Aborted by Ctrl-C: a remedy stops between two sockets (or batches) and reports the rest as undefined. */
  signal: AbortSignal;
  /** A sock_diag transport in the target's namespace, opened once per namespace. @throws KernelError when it is gone */
  diag(namespaceInode: number): NetlinkTransport;
  /** Runs synchronous work inside that namespace. @throws KernelError when it cannot be entered */
  inside<T>(namespaceInode: number, work: () => T extends PromiseLike<unknown> ? never : T): T;
  /** Called after each batch with the number of targets dealt with so far. */
  progress(done: number): void;
}

/**
 * What one remedy says it did to one target. `applied` is a claim that is checked afterwards by looking for the socket
 * again; every other outcome is final. undefined: not tried (interrupted).
 */
export interface Attempt {
  outcome: 'applied' | Exclude<Outcome, 'planned' | 'cleared' | 'still-stuck'>;
  /** The kernel's or program's own words where something went wrong. */
  because?: string;
  todo?: string;
  /** What remains, where only applying could tell (a pid that ignored the signal). */
  remains?: string;
}

/**
 * A means of clearing. One folder each under remedies/, one conformance suite over all of them
 * (test/remedies_conformance.test.ts).
 */
export interface Remedy {
  id: MeansId;
  /** One line for `--help` and the plan. */
  title: string;
  /** `none`, or how `lastack undo` reverses it (by journal entry). */
  undo: 'none' | 'journal';
  /**
   * Whether it can be used here at all: asked once before planning. undefined = yes, or only the single socket can tell.
   * Changes nothing; resolves to a refusal rather than reject.
   */
  probe?(effects: Effects): Promise<Refusal | undefined>;
  /** Whether it can be used on this socket here; undefined = yes. Pure: decides from what it is given. */
  refuse(target: ClearTarget, abilities: Abilities): Refusal | undefined;
  /** Pure. */
  preview(target: ClearTarget): Preview;
  /**
   * Applies it to the targets, in order; one attempt per target. Must never touch another socket than the target: by
   * cookie wherever the kernel offers that, otherwise checked immediately before. Journal entries come first.
   * Never throws for one target's failure.
   */
  apply(context: ApplyContext, targets: readonly ClearTarget[]): Promise<(Attempt | undefined)[]>;
}
