import type { Command } from 'commander';
import type { Effects } from '../effects.ts';

/** Adds a command to the program; `done` is told the exit code. */
export type AddCommand = (program: Command, effects: Effects, done: (code: number) => void) => void;

const doctor = async (): Promise<AddCommand> => (await import('./commands/doctor.ts')).doctorCommand;

/** In the order of the help. Each is loaded when it is named: loading all takes longer than most of what they do. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ['ls', async () => (await import('./commands/list.ts')).listCommand],
  ['why', async () => (await import('./commands/why.ts')).whyCommand],
  ['clear', async () => (await import('./commands/clear.ts')).clearCommand],
  ['port', async () => (await import('./commands/port.ts')).portCommand],
  ['block', async () => (await import('./commands/block.ts')).blockCommand],
  ['retune', async () => (await import('./commands/retune.ts')).retuneCommand],
  ['tune', async () => (await import('./commands/tune.ts')).tuneCommand],
  ['explain', async () => (await import('./commands/explain.ts')).explainCommand],
  ['journal', async () => (await import('./commands/journal.ts')).journalCommand],
  ['undo', async () => (await import('./commands/undo.ts')).undoCommand],
  ['lab', async () => (await import('./commands/lab.ts')).labCommand],
]);

/** What the doctor is called with; everything else may need to know what commands there are. */
const DOCTOR_WORD = /^(--json|--own-netns|--interval=.*)$/;

/** The commands that a command line can be about. */
export async function commandsFor(argv: readonly string[]): Promise<AddCommand[]> {
  const named = COMMANDS.get(argv[0]);
  if (named) return [await named()];
  if (argv.every((word) => DOCTOR_WORD.test(word))) return [await doctor()];
  return Promise.all([doctor(), ...[...COMMANDS.values()].map((load) => load())]);
}
