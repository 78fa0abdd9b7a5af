import type { Command } from 'commander';
import { type Effects, UserError } from '../../effects.ts';
import { printable } from '../render/printable.ts';

export interface LabRunOptions {
  family: string;
  keep?: boolean;
  json?: boolean;
}

/** Scenarios are loaded only when asked for: most calls of lastack never make one. */
export function labCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  const lab = program
    .command('lab')
    // Else the options of a COMMAND behind -- would be taken for options of `run`.
    .enablePositionalOptions()
    .description('make stuck connections for real, in throw-away network namespaces')
    .action(() => lab.outputHelp());
  lab
    .command('list')
    .description('the scenarios, and what the doctor has to find in each')
    .option('--json', 'one JSON document, schema lastack.scenarios/1')
    .action(async (options: { json?: boolean }) => {
      const { listScenarios } = await import('../../lab/run_scenario.ts');
      done(listScenarios(effects, options.json ?? false));
    });
  const run = lab
    .command('run')
    .description('make one scenario, run the doctor (or COMMAND) in its namespace, and take it down again')
    .argument('<scenario>', 'a name from `lastack lab list`')
    .argument('[command...]', 'a program and its arguments, behind --')
    .option('--family <4|6>', 'IPv4 or IPv6', '4')
    .option('--keep', 'leave the scenario standing until Ctrl-C')
    .option('--json', 'let the doctor print JSON')
    .exitOverride((error) => {
      if (error.code === 'commander.unknownOption') refuseOptionsOfCommand(run.args, effects.argv);
      throw error;
    })
    .action(async (scenario: string, command: string[], options: LabRunOptions) => {
      const { runInLab } = await import('../../lab/run_scenario.ts');
      done(await runInLab(effects, scenario, command, options));
    });
}

/** @throws UserError when the unknown option stands behind a COMMAND, whose own it will be */
function refuseOptionsOfCommand([scenario, program]: readonly string[], argv: readonly string[]): void {
  if (scenario.startsWith('-') || program === undefined || program.startsWith('-')) return;
  const at = argv.indexOf(program, argv.indexOf(scenario) + 1);
  const line = ['lastack', ...argv.slice(0, at), '--', ...argv.slice(at)].map(quoted).join(' ');
  throw new UserError(`a COMMAND with options of its own stands behind --: ${printable(line)}`);
}

/** As a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
