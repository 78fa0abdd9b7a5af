import type { StateName } from '../tcp/states.ts';
import { type AdviceEvidence, type AdviceInstead, MEASURED_ON } from './judgement.ts';

/** Something that was seen happen. Whoever doubts it finds how to see it in `repeat`. */
export function measured(what: string, repeat?: string): AdviceEvidence {
  return { what, basis: 'measured', where: MEASURED_ON, ...(repeat !== undefined && { repeat }) };
}

/** Read in the kernel's (or the named program's) source. */
export function source(where: string, what: string): AdviceEvidence {
  return { what, basis: 'source', where };
}

/** A manual page, an RFC, or the kernel's own documentation. */
export function documented(where: string, what: string): AdviceEvidence {
  return { what, basis: 'documentation', where };
}

/** Follows from the other evidence; nobody has to believe it further than that. */
export function reasoned(what: string): AdviceEvidence {
  return { what, basis: 'reasoned', where: 'follows from how TCP works' };
}

export function instead(command: string, what: string): AdviceInstead {
  return { command, what };
}

/** Commands that stand in for several kinds of advice. */
export const CLEAR_FIN_WAIT_1 = instead(
  'lastack clear state fin-wait-1 stuck --dry-run',
  'shows how each can be ended; without --dry-run it is done and looked at again',
);
export const CLEAR_CLOSE_WAIT = instead(
  'lastack clear state close-wait stuck --dry-run',
  'sends the FIN that the program forgot, gentlest means first',
);
export const WHY_STUCK = instead('lastack', 'says which connections are stuck, why, and when each goes by itself');
export const PORT_IN_USE = instead(
  'lastack port 8080',
  'who holds the port, until when, and which bind() would succeed now',
);
export const PORT_PRESSURE = instead('lastack port --pressure', 'whether ports towards a destination really run short');

/** What can be done about a state. */
export function commandFor(state: StateName): AdviceInstead {
  if (state === 'TIME_WAIT') return PORT_PRESSURE;
  const word = state
    .toLowerCase()
    .replace(/_?wait_?(\d?)$/, (_, number) => `-wait${number && `-${number}`}`)
    .replaceAll('_', '-');
  return instead(
    `lastack clear state ${word} stuck --dry-run`,
    `shows how each ${state} can be ended; without --dry-run it is done`,
  );
}
