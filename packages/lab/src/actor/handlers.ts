import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { CallName, RequestOf, RunResult, ValueOf } from '../protocol.ts';
import { bulkHalfClosed, bulkTimeWait } from './bulk.ts';
import { procSockets } from './proc-net.ts';
import * as sockets from './sockets.ts';
import { Churn, serve } from './traffic.ts';

export type Handlers = { [K in CallName]: (request: RequestOf<K>) => ValueOf<K> | Promise<ValueOf<K>> };

/** Children are forked from the main thread, so they are in the actor's namespace as well. */
function run({ file, args, input, limitMs }: RequestOf<'run'>): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const options = { timeout: limitMs, maxBuffer: 1 << 26 };
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code === 'string') reject(error);
      else resolve({ code: child.exitCode ?? 128, stdout, stderr });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}

/** The child's input is a pipe from here: it ends with this process however this process ends. */
function shareWithChild({ fd, name }: RequestOf<'shareWithChild'>): Promise<{ pid: number }> {
  const child = spawn(process.execPath, [process.argv[1] ?? '', '--hold', name], {
    stdio: ['pipe', 'pipe', 'ignore', fd],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${name} ended at once`)));
    child.stdout?.once('data', () => resolve({ pid: child.pid ?? 0 }));
  });
}

function setSysctl({ values }: RequestOf<'setSysctl'>): void {
  for (const [name, value] of Object.entries(values)) writeFileSync(`/proc/sys/net/${name}`, `${value}\n`);
}

export function createHandlers(): Handlers {
  const churn = new Churn();
  return {
    listen: ({ at, backlog, options }) => sockets.listen(at, backlog, options),
    bind: ({ at, options }) => sockets.bindOnly(at, options),
    connect: ({ to, from, limitMs, options }) => sockets.connect(to, from, limitMs, options),
    accept: ({ fd, limitMs }) => sockets.accept(fd, limitMs),
    send: ({ fd, bytes }) => sockets.send(fd, bytes),
    fill: ({ fd, quietMs }) => sockets.fill(fd, quietMs),
    receive: ({ fd, bytes, limitMs }) => sockets.receive(fd, bytes, limitMs),
    shutdown: ({ fd, how }) => sockets.shutdown(fd, how),
    close: ({ fds }) => fds.forEach(sockets.close),
    abort: ({ fds }) => fds.forEach(sockets.abort),
    setOption: ({ fd, name, value }) => sockets.setOption(fd, name, value),
    getOption: ({ fd, name }) => sockets.getOption(fd, name),
    pendingError: ({ fd }) => sockets.pendingError(fd),
    connectMany: ({ to, count, limitMs, options }) => sockets.connectMany(to, count, limitMs, options),
    acceptMany: ({ fd, count, limitMs }) => sockets.acceptMany(fd, count, limitMs),
    setSysctl,
    getSysctl: ({ name }) => readFileSync(`/proc/sys/net/${name}`, 'utf8').trim(),
    sockets: ({ family }) => procSockets(family),
    run,
    shareWithChild,
    serve: ({ at, replyAfterMs }) => serve(at, replyAfterMs),
    churn: (request) => churn.start(request),
    churned: () => churn.ended,
    bulkTimeWait,
    bulkHalfClosed,
    residentBytes: () => process.memoryUsage.rss(),
  };
}
