// `npm start -- ARGUMENTS`: installs and builds what is not yet there, then runs lastack with the arguments.
import { spawnSync } from 'node:child_process';
import { build, command, install } from './lib/steps.mjs';

install();
await build();
const result = spawnSync(process.execPath, [command, ...process.argv.slice(2)], { stdio: 'inherit' });
if (result.signal) process.kill(process.pid, result.signal);
// 1 means "something is stuck" or "nothing matched": an answer, which npm would decorate as a failure of its own.
process.exitCode = result.status === 1 ? 0 : (result.status ?? 1);
