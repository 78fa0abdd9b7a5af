import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Lab,
  LabError,
  labPrivilege,
  runScenario,
  SCENARIOS,
  type Stage,
  UnsupportedScenario,
} from '@lastack/lab';
import { doctor } from '../cli/commands/doctor.ts';
import type { LabRunOptions } from '../cli/commands/lab.ts';
import { Page } from '../cli/render/report_layout.ts';
import { pageOptions } from '../cli/render/report_options.ts';
import { type Effects, Exit, Interruption, UserError } from '../effects.ts';

export function listScenarios(effects: Effects, json: boolean): number {
  if (json) {
    const scenarios = SCENARIOS.map(({ name, title, families, expects, unsupported }) => ({
      name,
      title,
      families,
      expects,
      unsupported,
    }));
    effects.stdout.write(`${JSON.stringify({ schema: 'lastack.scenarios/1', scenarios })}\n`);
    return Exit.OK;
  }
  const page = new Page(pageOptions(effects));
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length)) + 2;
  const lines = SCENARIOS.flatMap(({ name, title, unsupported }) => {
    const text = `${title}${unsupported ? ' (cannot be made here)' : ''}`;
    // Beside each other where half of the page remains for the title.
    if (width * 2 > page.width) return [page.style.bold(name), ...page.prose(text, '    ')];
    return page.prose(text, ' '.repeat(width), name.padEnd(width));
  });
  effects.stdout.write(`${lines.join('\n')}\n\nlastack lab run NAME makes one for real\n`);
  return Exit.OK;
}

/** Runs the doctor, or a program, in a scenario. @returns its exit code */
export async function runInLab(
  effects: Effects,
  name: string,
  command: readonly string[],
  options: LabRunOptions,
): Promise<number> {
  const family = readFamily(options.family);
  const privilege = labPrivilege();
  if (privilege.kind === 'none') throw new UserError(privilege.because, Exit.NOT_POSSIBLE);
  const interruption = effects.interruptible();
  const { signal } = interruption;
  let code: number = Exit.OK;
  try {
    if (privilege.kind === 'user-namespace') return await runAgain(privilege.prefix, effects.argv, signal);
    await runScenario(
      name,
      { family, keep: options.keep, signal, actorFile: actorFile() },
      async (stage, { title }, lab) => {
        effects.stderr.write(`${title} (network namespace of process ${stage.observeIn.pid})\n`);
        code =
          command.length > 0 ? await runCommand(stage, command, signal) : await runDoctor(effects, stage, lab, options);
        if (options.keep)
          effects.stderr.write(`kept until Ctrl-C; look with: nsenter -t ${stage.observeIn.pid} -n ss -tano\n`);
      },
    );
  } catch (error) {
    if (error instanceof Interruption) return Exit.INTERRUPTED;
    if (error instanceof UnsupportedScenario) throw new UserError(error.message, Exit.NOT_POSSIBLE);
    if (error instanceof LabError) throw new UserError(error.message);
    throw error;
  } finally {
    interruption.release();
  }
  // What was kept ends by an interruption only: the usual way, and yet an interruption.
  return signal.aborted ? Exit.INTERRUPTED : code;
}

function readFamily(text: string): 4 | 6 {
  if (text !== '4' && text !== '6') throw new UserError(`--family ${text}: not an address family; give 4 or 6`);
  return text === '4' ? 4 : 6;
}

/** Built beside the command's own file. @throws UserError when it is missing */
function actorFile(): string {
  const file = path.join(path.dirname(fileURLToPath(import.meta.url)), 'lab-actor.cjs');
  if (existsSync(file)) return file;
  throw new UserError(`the lab's helper program ${file} is missing; build it with npm run build`, Exit.NOT_POSSIBLE);
}

/** As an ordinary user the whole command is run again as root of a user namespace of its own. */
async function runAgain(prefix: readonly string[], argv: readonly string[], signal: AbortSignal): Promise<number> {
  const [program, ...first] = prefix;
  return exitCode(program, [...first, process.execPath, process.argv[1], ...argv], signal);
}

/** Runs a program with this one's own input and output. An interruption is passed on, so that it does not outlive us. */
async function exitCode(program: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' });
  const interrupt = () => child.kill('SIGINT');
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const [code] = await once(child, 'exit');
    return code ?? Exit.INTERRUPTED;
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

function runDoctor(effects: Effects, stage: Stage, lab: Lab, { json }: LabRunOptions): Promise<number> {
  const namespaces = stage.scope === 'all' ? lab.actors : [stage.observeIn];
  return doctor(
    effects,
    namespaces.map(({ netnsInode }) => netnsInode),
    { json },
  );
}

async function runCommand(stage: Stage, command: readonly string[], signal: AbortSignal): Promise<number> {
  try {
    return await exitCode('nsenter', ['-t', String(stage.observeIn.pid), '-n', '--', ...command], signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UserError('the program nsenter is missing; install util-linux', Exit.NOT_POSSIBLE);
  }
}
