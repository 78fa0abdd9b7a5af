/**
 * `lab-runner.cjs ACTOR_FILE SCENARIO [throw]`: prints the actors' pids once the scenario stands, then waits for ever.
 * `lab-runner.cjs privilege`: prints what permits the lab to this user.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab, type LabOptions, labPrivilege, scenarioNamed } from '../src/mod.ts';

async function main(actorFile: string, name: string, then: string | undefined): Promise<void> {
  const options: LabOptions = { actorFile };
  const lab = new Lab(options);
  const stage = await scenarioNamed(name).run(lab, { family: 4 });
  const pids = lab.actors.map(({ pid }) => pid);
  process.stdout.write(`${JSON.stringify({ pids, observe: stage.observeIn.pid })}\n`);
  if (then === 'throw') throw new Error('thrown on purpose');
  await sleep(600_000);
}

const [actorFile = '', name = '', then] = process.argv.slice(2);
if (actorFile === 'privilege') process.stdout.write(`${JSON.stringify(labPrivilege())}\n`);
else
  main(actorFile, name, then).catch((error) => {
    process.stderr.write(`${error}\n`);
    process.exit(1);
  });
