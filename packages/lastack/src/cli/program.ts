import { KernelError, NamespaceReturnError } from '@lastack/kernel';
import { Command, CommanderError } from 'commander';
import { ClosedPipe, type Effects, Exit, Interruption, UserError } from '../effects.ts';
import * as commands from './commands.ts';
import { helpWidth, NARROW_HELP } from './narrow.ts';
import { printable } from './render/printable.ts';

export const VERSION = '0.1.0';

/** Adds a command to the program; `done` is told the exit code. */
type AddCommand = (program: Command, effects: Effects, done: (code: number) => void) => void;

/** A program of one command has that one only. */
const COMMANDS: Readonly<Record<string, AddCommand | undefined>> = commands;

/** In the order of the help. */
const WORDS: Readonly<Record<keyof typeof commands, true>> = {
  doctor: true,
  ls: true,
  why: true,
  clear: true,
  port: true,
  block: true,
  retune: true,
  tune: true,
  explain: true,
  journal: true,
  undo: true,
  lab: true,
};

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
    .helpCommand('help [command]', 'how to use a command')
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp(NARROW_HELP)
    .configureOutput({
      getOutHelpWidth: () => helpWidth(effects.stdout) ?? 80,
      getErrHelpWidth: () => helpWidth(effects.stderr) ?? 80,
      writeOut: (text) => effects.stdout.write(text),
      writeErr: (text) => effects.stderr.write(text),
      // Said by explainFailure, in this program's own form.
      outputError: () => undefined,
    });
  for (const word of Object.keys(WORDS)) COMMANDS[word]?.(program, effects, done);
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
  if (error instanceof CommanderError) return explainUsage(error, effects);
  if (error instanceof UserError) {
    // What the user wrote is quoted in many messages. Only a broken filter takes more than one line.
    const lines = error.message.split('\n').map(printable);
    effects.stderr.write(`lastack: ${lines.join('\n')}\n`);
    return error.exitCode;
  }
  if (error instanceof KernelError) {
    effects.stderr.write(`lastack: ${error.message}${error.todo ? `; ${error.todo}` : ''}\n`);
    return Exit.NOT_POSSIBLE;
  }
  if (error instanceof ClosedPipe) return Exit.OK;
  if (error instanceof Interruption) {
    effects.stderr.write('lastack: interrupted, nothing was changed\n');
    return Exit.INTERRUPTED;
  }
  if (error instanceof NamespaceReturnError || isSystemError(error)) {
    effects.stderr.write(`lastack: ${printable(error.message)}\n`);
    return Exit.NOT_POSSIBLE;
  }
  throw error;
}

/** A system call of Node's own that failed; its message names the call and the file. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}

/** Commander ends its work with an error also after `--help`. */
function explainUsage({ exitCode, message }: CommanderError, effects: Effects): number {
  if (exitCode === 0) return Exit.OK;
  const text = printable(
    message
      .replace(/^error: /, '')
      .replaceAll(/\s+/g, ' ')
      .replace(/\.$/, ''),
  );
  effects.stderr.write(`lastack: ${text}; --help shows what there is\n`);
  return Exit.USAGE;
}

/** Commander would call an unknown command an excess argument of the one above it. @throws UserError */
function checkCommandName(program: Command, argv: readonly string[]): void {
  const names = argv[0] === 'help' ? argv.slice(1) : argv;
  let above = program;
  for (const name of names) {
    if (above.commands.length === 0 || name.startsWith('-')) return;
    const next = above.commands.find((command) => command.name() === name);
    if (!next) throw new UserError(noSuchCommand(above, name));
    above = next;
  }
}

function noSuchCommand(above: Command, name: string): string {
  const known = above.commands.map((command) => command.name()).join(', ');
  if (above.parent) return `${above.name()} has no command '${printable(name)}'; there are ${known}`;
  return `there is no command '${printable(name)}'; there are ${known}, or none for the doctor`;
}
