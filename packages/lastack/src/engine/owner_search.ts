import type { Note } from '@lastack/core';
import { OwnerSearch, walkWithSyscalls } from '@lastack/kernel';
import type { Effects } from '../effects.ts';

/** A search for the owners of sockets, over all processes of the host; nothing is read before it is advanced. */
export function ownerSearch(
  effects: Effects,
  notes: Note[],
  onEventpoll?: (pid: number, fd: number) => void,
): OwnerSearch {
  return new OwnerSearch({
    procRoot: effects.procRoot,
    walk: walkWithSyscalls(effects.libc().directory),
    onNote: (note) => notes.push(note),
    onEventpoll,
  });
}

/** `work`, with the search going on in the time in which this thread would only wait for the kernel. */
export async function searchMeanwhile<T>(search: OwnerSearch | undefined, work: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  try {
    while (!isOver && search?.advance()) await new Promise(setImmediate);
  } catch (error) {
    await work.catch(() => undefined);
    throw error;
  }
  return work;
}
