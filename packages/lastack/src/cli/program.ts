import { KernelError } from '@lastack/kernel';
import { Command, CommanderError } from 'commander';
import { ClosedPipe, type Effects, Exit, UserError } from '../effects.ts';
import { doctorCommand } from './commands/doctor.ts';
import { explainCommand } from './commands/explain.ts';
import { labCommand } from './commands/lab.ts';
import { listCommand } from './commands/list.ts';
import { whyCommand } from './commands/why.ts';
import { printable } from './render/printable.ts';

export const VERSION = '0.1.0';

/** Runs one command line and returns the exit code. Only a closed pipe and faults of lastack itself are thrown. */
export async function runCommandLine(effects: Effects): Promise<number> {
  let code: number = Exit.OK;
  const program = new Command('lastack');
  const done = (result: number) => {
    code = result;
  };
  program
    .description('Finds TCP connections that are stuck, says why, and when they go away')
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => effects.stdout.write(text),
      writeErr: (text) => effects.stderr.write(text),
    });
  for (const add of [doctorCommand, listCommand, whyCommand, explainCommand, labCommand]) add(program, effects, done);
  try {
    checkCommandName(program, effects.argv);
    await program.parseAsync(effects.argv as string[], { from: 'user' });
  } catch (error) {
    return explainFailure(error, effects);
  }
  return code;
}

/** One line on standard error for everything a user or the kernel can cause. */
function explainFailure(error: unknown, effects: Effects): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.OK : Exit.USAGE;
  if (error instanceof UserError) {
    effects.stderr.write(`lastack: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof KernelError) {
    effects.stderr.write(`lastack: ${error.message}${error.todo ? `; ${error.todo}` : ''}\n`);
    return Exit.NOT_POSSIBLE;
  }
  if (error instanceof ClosedPipe) return Exit.OK;
  throw error;
}

/** Commander would call an unknown command an excess argument of the doctor. @throws UserError */
function checkCommandName(program: Command, argv: readonly string[]): void {
  const [name] = argv;
  if (name === undefined || name.startsWith('-') || name === 'help') return;
  const known = program.commands.map((command) => command.name());
  if (known.includes(name)) return;
  throw new UserError(
    `there is no command '${printable(name)}'; there are ${known.join(', ')}, or none for the doctor`,
  );
}
