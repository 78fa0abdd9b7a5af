import type { Note, SocketOwners } from '@lastack/core';
import { lastingOwners, OwnerSearch, type OwnerSearchQuery, walkWithSyscalls } from '@lastack/kernel';
import type { Effects } from '../effects.ts';

/** A search that does not take a holder of the moment for an owner: another lastack may be looking at this host. */
class LastingOwnerSearch extends OwnerSearch {
  readonly #procRoot: string;
  #lasting: SocketOwners | undefined;

  constructor(query: OwnerSearchQuery) {
    super(query);
    this.#procRoot = query.procRoot;
  }

  override finish(): SocketOwners {
    this.#lasting ??= lastingOwners(this.#procRoot, super.finish());
    return this.#lasting;
  }
}

/** A search for the owners of sockets, over all processes of the host; nothing is read before it is advanced. */
export function ownerSearch(
  effects: Effects,
  notes: Note[],
  onEventpoll?: (pid: number, fd: number) => void,
): OwnerSearch {
  return new LastingOwnerSearch({
    procRoot: effects.procRoot,
    walk: walkWithSyscalls(effects.libc().directory),
    onNote: (note) => notes.push(note),
    onEventpoll,
  });
}

/** `work`, with the search going on in the time in which this thread would only wait for the kernel. */
export function searchMeanwhile<T>(search: OwnerSearch | undefined, work: Promise<T>): Promise<T> {
  return meanwhile(() => search?.advance() ?? false, work);
}

/** `work`, with steps of something else in the time in which this thread would only wait, as long as there are any. */
export async function meanwhile<T>(step: () => boolean, work: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  try {
    while (!isOver && step()) await new Promise(setImmediate);
  } catch (error) {
    await work.catch(() => undefined);
    throw error;
  }
  return work;
}
