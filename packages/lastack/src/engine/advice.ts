import type { Note } from '@lastack/core';
import { CapabilityBit, effectiveCapabilities, hasCapability } from '@lastack/kernel';
import type { Effects } from '../effects.ts';

const RUN_AS_ROOT = /^run as root(?: or with CAP_(\w+))?/;

/** What of the advice is of use to this user. To root "run as root" is none, but a capability may be missing still. */
function usefulTo(effects: Effects, todo: string | undefined): string | undefined {
  const [advice, name] = RUN_AS_ROOT.exec(todo ?? '') ?? [];
  if (advice === undefined || effects.uid !== 0) return todo;
  const bit = CapabilityBit[name as keyof typeof CapabilityBit];
  if (bit === undefined || hasCapability(effectiveCapabilities(effects.procRoot), bit)) return undefined;
  return `run with CAP_${name}`;
}

/** The same notes (or capabilities), each with the advice that is of use to the user who runs this. */
export function withUsefulAdvice<T extends Pick<Note, 'todo'>>(effects: Effects, all: readonly T[]): T[] {
  return all.map((one) => ({ ...one, todo: usefulTo(effects, one.todo) }));
}
