import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { labPrivilege } from '@lastack/lab';
import { clearBench } from './clear/clear_bench.ts';
import { forecastBench, forecastTrials } from './forecast/forecast_bench.ts';
import type { BenchContext } from './lib/context.ts';
import { speedBench } from './speed/speed_bench.ts';

const BENCHES: Readonly<Record<string, (context: BenchContext) => Promise<void>>> = {
  speed: speedBench,
  forecast: forecastBench,
  clear: clearBench,
};

const USAGE_ERROR = 2;
const NOT_POSSIBLE = 3;

interface Part {
  name: string;
  only: string[];
}

/** `forecast SCENARIO…` limits that part to these scenarios. @returns the word that means nothing, if there is one */
function partsOf(words: readonly string[]): Part[] | string {
  const trials = forecastTrials().map(({ name }) => name);
  const parts: Part[] = [];
  for (const word of words) {
    const last = parts.at(-1);
    if (word in BENCHES) parts.push({ name: word, only: [] });
    else if (last?.name === 'forecast' && trials.includes(word)) last.only.push(word);
    else return word;
  }
  return parts.length > 0 ? parts : Object.keys(BENCHES).map((name) => ({ name, only: [] }));
}

async function main([command, actorFile, ...words]: string[]): Promise<number> {
  const parts = partsOf(words);
  if (typeof parts === 'string') {
    process.stderr.write(
      `there is no benchmark ${JSON.stringify(parts)}: npm run bench [-- speed | forecast [SCENARIO ...] | clear]\n`,
    );
    return USAGE_ERROR;
  }
  const privilege = labPrivilege();
  if (privilege.kind === 'none') {
    process.stderr.write(`${privilege.because}\n`);
    return NOT_POSSIBLE;
  }
  if (privilege.kind === 'user-namespace') return runAgain(privilege.prefix);
  const context: Omit<BenchContext, 'only'> = {
    command,
    actorFile,
    print: (text) => process.stdout.write(`${text}\n`),
    progress: (text) => process.stderr.write(`${text}\n`),
  };
  context.print(`${machine()}\n`);
  for (const { name, only } of parts) await BENCHES[name]({ ...context, only });
  return 0;
}

/** As an ordinary user everything is run again as root of a user namespace of its own. */
function runAgain([program, ...prefix]: readonly string[]): number {
  const result = spawnSync(program, [...prefix, process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
  });
  return result.status ?? 1;
}

/** Where numbers were measured decides what they mean. */
function machine(): string {
  const processors = cpus();
  const load = readFileSync('/proc/loadavg', 'latin1').split(' ')[0];
  return (
    `Linux ${release()} ${process.arch}, ${processors.length} × ${processors[0]?.model ?? 'unknown processor'}, ` +
    `Node ${process.version}, load before the start ${load}`
  );
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`bench failed: ${error.message}\n`);
    process.exitCode = 1;
  },
);
