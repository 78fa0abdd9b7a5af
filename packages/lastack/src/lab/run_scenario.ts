import { spawn, spawnSync } from 'node:child_process';
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
import { type Effects, Exit, UserError } from '../effects.ts';

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
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
  for (const { name, title, unsupported } of SCENARIOS) {
    effects.stdout.write(`${name.padEnd(width)}  ${title}${unsupported ? ' (cannot be made here)' : ''}\n`);
  }
  effects.stdout.write('\nlastack lab run NAME makes one and runs the doctor in it.\n');
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
  if (privilege.kind === 'user-namespace') return runAgain(privilege.prefix, effects.argv);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new Interrupted());
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  let code: number = Exit.OK;
  try {
    await runScenario(
      name,
      { family, keep: options.keep, signal: interruption.signal, actorFile: actorFile() },
      async (stage, { title }, lab) => {
        effects.stderr.write(`${title} (network namespace of process ${stage.observeIn.pid})\n`);
        code = command.length > 0 ? await runCommand(stage, command) : await runDoctor(effects, stage, lab, options);
        if (options.keep)
          effects.stderr.write(`kept until Ctrl-C; look with: nsenter -t ${stage.observeIn.pid} -n ss -tano\n`);
      },
    );
  } catch (error) {
    if (error instanceof Interrupted) return options.keep ? code : Exit.INTERRUPTED;
    if (error instanceof UnsupportedScenario) throw new UserError(error.message, Exit.NOT_POSSIBLE);
    if (error instanceof LabError) throw new UserError(error.message);
    throw error;
  } finally {
    process.removeListener('SIGINT', interrupt).removeListener('SIGTERM', interrupt);
  }
  return code;
}

class Interrupted extends Error {}

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
function runAgain(prefix: readonly string[], argv: readonly string[]): number {
  const [program, ...first] = prefix;
  const result = spawnSync(program, [...first, process.execPath, process.argv[1], ...argv], { stdio: 'inherit' });
  return result.status ?? Exit.INTERRUPTED;
}

function runDoctor(effects: Effects, stage: Stage, lab: Lab, { json }: LabRunOptions): Promise<number> {
  const namespaces = stage.scope === 'all' ? lab.actors : [stage.observeIn];
  return doctor(
    effects,
    namespaces.map(({ netnsInode }) => netnsInode),
    { json },
  );
}

async function runCommand(stage: Stage, command: readonly string[]): Promise<number> {
  const child = spawn('nsenter', ['-t', String(stage.observeIn.pid), '-n', '--', ...command], { stdio: 'inherit' });
  try {
    const [code] = await once(child, 'exit');
    return code ?? Exit.INTERRUPTED;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UserError('the program nsenter is missing; install util-linux', Exit.NOT_POSSIBLE);
  }
}
