import { formatDuration, parseDurationMs } from '@lastack/core';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { answerPort, type PortQuestion } from '../../engine/port/port_answer.ts';
import { type Obstacle, waitForPort } from '../../engine/port/wait.ts';
import { portJson } from '../../report/port_json.ts';
import { freeText } from '../render/port.ts';
import { printable } from '../render/printable.ts';

interface WaitOptions {
  timeout?: string;
  json?: boolean;
}

/** Silent where the port is free at once, so that `lastack port 49200 --wait && ./server` stays quiet. */
export async function waitCommand(effects: Effects, question: PortQuestion, options: WaitOptions): Promise<number> {
  const timeoutMs = readTimeout(options.timeout);
  const say = (text: string) => effects.stderr.write(`lastack: ${printable(text)}\n`);
  const { port } = question;
  const result = await waitForPort(effects, question, timeoutMs, (obstacle) => {
    if (timeoutMs > 0) announce(effects, port, obstacle, say);
  });
  if (options.json) effects.stdout.write(`${JSON.stringify(portJson(await answerPort(effects, question)))}\n`);
  const after = formatDuration(Math.round(result.waitedMs));
  if (result.isFree) {
    if (result.obstacle) say(`port ${port} is free, after ${after}`);
    return Exit.OK;
  }
  const { text, until } = result.obstacle as Obstacle;
  const when = until ? `; ${freeText(until)}` : '';
  say(`port ${port} is still taken after ${after}: ${text}${when}; lastack port ${port} shows what can be done`);
  return Exit.FOUND_OR_NO_MATCH;
}

/** What ends by itself is said on a terminal only; what does not, always: a script would wait for ever. */
function announce(
  effects: Effects,
  port: number,
  { text, until, result }: Obstacle,
  say: (text: string) => void,
): void {
  if (until?.kind === 'at') {
    if (!effects.stderr.isTerminal) return;
    const clock = new Date(effects.now() + (until.latestMs ?? 0)).toTimeString().slice(0, 8);
    say(`waiting for port ${port}: ${text}, ${freeText(until)} (until ${clock})`);
    return;
  }
  const never = result === 'EADDRINUSE' && until?.kind === 'never';
  const what = never ? 'will not be free by itself' : 'has no known time at which it is free';
  const because = until ? ` (${until.because})` : '';
  say(`port ${port} ${what}: ${text}${because}; waiting until that changes, Ctrl-C or --timeout ends it`);
}

/** @throws UserError */
function readTimeout(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  throw new UserError(`--timeout ${printable(text)}: not a duration; for example 30s, 5m, 1h30m, or 90 for 90 seconds`);
}
