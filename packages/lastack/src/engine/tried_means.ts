import type { ClearTarget, MeansId } from '@lastack/core';

/** What has been tried on which target. A hundred thousand of them have tried the same few means: the sets are shared. */
export class TriedMeans {
  readonly #of = new Map<ClearTarget, ReadonlySet<MeansId>>();
  readonly #sets = new Map<string, ReadonlySet<MeansId>>([['', new Set()]]);

  of(target: ClearTarget): ReadonlySet<MeansId> {
    return this.#of.get(target) ?? this.#shared([]);
  }

  add(target: ClearTarget, means: MeansId): void {
    this.#of.set(target, this.#shared([...this.of(target), means]));
  }

  #shared(means: readonly MeansId[]): ReadonlySet<MeansId> {
    const key = means.join();
    let set = this.#sets.get(key);
    if (!set) {
      set = new Set(means);
      this.#sets.set(key, set);
    }
    return set;
  }
}
