/**
 * A process that owns sockets in a network namespace of its own and does what the lab tells it, one JSON line at a
 * time. It ends when its input ends, so nothing outlives the lab, however the lab ended.
 *
 *   lab-actor.cjs --name lab-server [--netns-of PID]   a new namespace, or that of another actor
 *   lab-actor.cjs --hold NAME                          only holds the descriptors it inherited
 */
import { closeSync, openSync, readlinkSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { CallName, FailureLine, ReadyLine, ReplyLine, RequestLine } from '../protocol.ts';
import { createHandlers, type Handlers } from './handlers.ts';
import { CLONE_NEWNET, check, libc } from './libc.ts';

function enterNamespace(ofPid: string | undefined): void {
  if (ofPid === undefined) {
    check('unshare', libc.unshare(CLONE_NEWNET));
    return;
  }
  const fd = openSync(`/proc/${ofPid}/ns/net`, 'r');
  check('setns', libc.setns(fd, CLONE_NEWNET));
  closeSync(fd);
}

function write(line: ReadyLine | ReplyLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function failureOf(error: unknown): FailureLine {
  const { message, code } = error as Error & { code?: unknown };
  return typeof code === 'string' ? { message, code } : { message };
}

async function answer(handlers: Handlers, text: string): Promise<void> {
  const request = JSON.parse(text) as RequestLine;
  try {
    const handler = handlers[request.call as CallName] as (argument: unknown) => unknown;
    write({ id: request.id, value: await handler(request.with) });
  } catch (error) {
    write({ id: request.id, error: failureOf(error) });
  }
}

/** An orphan keeps its namespace in the kernel until it dies: let those left behind give up at their next timer. */
function leave(): never {
  try {
    writeFileSync('/proc/sys/net/ipv4/tcp_orphan_retries', '1\n');
  } catch {
    // Nothing more can be done from here.
  }
  process.exit(0);
}

function act(name: string, ofPid: string | undefined): void {
  enterNamespace(ofPid);
  process.title = name;
  const handlers = createHandlers();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => void answer(handlers, line));
  lines.on('close', leave);
  write({ ready: true, pid: process.pid, netns: readlinkSync('/proc/thread-self/ns/net') });
}

function hold(name: string): void {
  process.title = name;
  process.stdin.on('end', () => process.exit(0));
  process.stdin.resume();
  process.stdout.write('ready\n');
}

const { values } = parseArgs({
  options: { name: { type: 'string' }, 'netns-of': { type: 'string' }, hold: { type: 'string' } },
});
// Ctrl-C reaches the whole process group; the lab itself ends its actors, in order.
process.on('SIGINT', () => undefined);
process.stdout.on('error', () => process.exit(0));
if (values.hold !== undefined) hold(values.hold);
else act(values.name ?? 'lab-actor', values['netns-of']);
