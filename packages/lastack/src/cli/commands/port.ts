import { type Command, Option } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import type { Scope } from '../../engine/namespaces.ts';
import { answerPort, type PortQuestion } from '../../engine/port/port_answer.ts';
import { observePressure } from '../../engine/port/pressure.ts';
import { parseBindAddress, parsePort } from '../../engine/port/question.ts';
import { portJson, pressureJson } from '../../report/port_json.ts';
import { isComplete } from '../../report/report_json.ts';
import { renderPort } from '../render/port.ts';
import { renderPressure } from '../render/port_pressure.ts';
import { pageOptions } from '../render/report_options.ts';
import { readInterval } from './doctor.ts';
import { waitCommand } from './port_wait.ts';

interface PortOptions {
  address?: string;
  ownNetns?: boolean;
  wait?: boolean;
  timeout?: string;
  pressure?: boolean;
  interval?: string;
  json?: boolean;
}

export function portCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('port')
    .description('who holds a port, what a bind to it says now, until when; or how scarce ephemeral ports are')
    .argument('[port]', 'a number, or the name of a service: 8080, https')
    .option('--address <address>', 'ask about this local address: 127.0.0.1, 0.0.0.0, :: (dual-stack), fe80::1%eth0')
    .option('--own-netns', 'look for holders in the present network namespace only')
    .addOption(new Option('--wait', 'return when a plain bind would succeed').conflicts('pressure'))
    .option('--timeout <duration>', 'with --wait: give up after this long (30s, 5m; a bare number is seconds)')
    .addOption(new Option('--pressure', 'ephemeral ports by destination: used, rate, time to exhaustion'))
    .option('--interval <seconds>', 'with --pressure: time between the two reads (default: 1)')
    .option('--json', 'one JSON document, schema lastack.port/1 (lastack.pressure/1 with --pressure)')
    .action(async (port: string | undefined, options: PortOptions) => done(await runPort(effects, port, options)));
}

async function runPort(effects: Effects, text: string | undefined, options: PortOptions): Promise<number> {
  checkTogether(text, options);
  const scope: Scope = options.ownNetns ? 'own' : 'all';
  if (options.pressure) return pressure(effects, scope, options);
  const question: PortQuestion = {
    port: parsePort(text ?? ''),
    scope,
    address: options.address === undefined ? undefined : parseBindAddress(options.address),
    addressText: options.address,
  };
  if (options.wait) return waitCommand(effects, question, options);
  return answer(effects, question, options.json);
}

/** @throws UserError */
function checkTogether(text: string | undefined, options: PortOptions): void {
  const { pressure: isPressure, wait, timeout, interval, address } = options;
  const refuse = (why: string): never => {
    throw new UserError(`${why}; see lastack port --help`);
  };
  if (text === undefined && !isPressure) {
    refuse('port needs a number or a name of a service, for example: lastack port 8080, or: lastack port --pressure');
  }
  if (text !== undefined && isPressure) refuse('--pressure is about all ephemeral ports: leave the port out');
  if (address !== undefined && isPressure) refuse('--address does not go with --pressure');
  if (timeout !== undefined && !wait) refuse('--timeout belongs to --wait');
  if (interval !== undefined && !isPressure) refuse('--interval belongs to --pressure');
}

/** The document or the page about one port. */
async function answer(effects: Effects, question: PortQuestion, json: boolean | undefined): Promise<number> {
  const known = await answerPort(effects, question);
  effects.stdout.write(json ? `${JSON.stringify(portJson(known))}\n` : renderPort(known, pageOptions(effects)));
  return isComplete(known.observation) ? Exit.OK : Exit.PARTIAL;
}

async function pressure(effects: Effects, scope: Scope, options: PortOptions): Promise<number> {
  const report = await observePressure(effects, scope, readInterval(options.interval ?? '1'));
  const text = options.json
    ? `${JSON.stringify(pressureJson(report))}\n`
    : renderPressure(report, pageOptions(effects));
  effects.stdout.write(text);
  return report.notes.some(({ incomplete }) => incomplete) ? Exit.PARTIAL : Exit.OK;
}
