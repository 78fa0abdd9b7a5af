import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { labPrivilege } from '@lastack/lab';
import { clearBench } from './clear/clear_bench.ts';
import { forecastBench } from './forecast/forecast_bench.ts';
import type { BenchContext } from './lib/context.ts';
import { speedBench } from './speed/speed_bench.ts';

const BENCHES: Readonly<Record<string, (context: BenchContext) => Promise<void>>> = {
  speed: speedBench,
  forecast: forecastBench,
  clear: clearBench,
};

const USAGE_ERROR = 2;
const NOT_POSSIBLE = 3;

async function main([command, actorFile, ...words]: string[]): Promise<number> {
  const unknown = words.find((word) => !(word in BENCHES));
  if (unknown !== undefined) {
    process.stderr.write(
      `there is no benchmark ${JSON.stringify(unknown)}: npm run bench [-- speed | forecast | clear]\n`,
    );
    return USAGE_ERROR;
  }
  const privilege = labPrivilege();
  if (privilege.kind === 'none') {
    process.stderr.write(`${privilege.because}\n`);
    return NOT_POSSIBLE;
  }
  if (privilege.kind === 'user-namespace') return runAgain(privilege.prefix);
  const context: BenchContext = {
    command,
    actorFile,
    print: (text) => process.stdout.write(`${text}\n`),
    progress: (text) => process.stderr.write(`${text}\n`),
  };
  context.print(`${machine()}\n`);
  for (const name of words.length > 0 ? words : Object.keys(BENCHES)) await BENCHES[name](context);
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
