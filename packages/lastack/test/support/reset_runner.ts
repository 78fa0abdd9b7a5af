/**
 * `reset-runner.cjs` opens a connection to itself and tries to reset it, with whatever rights it was given, by both
 * means. Prints what came of that, and of one byte sent over the connection afterwards, as JSON.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { namespaceInode } from '@lastack/kernel';
import type { Actor } from '@lastack/lab';
import { reset } from '../../src/remedies/reset/mod.ts';
import { resetPath } from '../../src/remedies/reset-path/mod.ts';
import { contextOf, targetsOf } from '../clear_means/world.ts';

async function main(): Promise<unknown> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const remote = server.address() as AddressInfo;
  const client = connect({ host: remote.address, port: remote.port });
  const [peer] = (await once(server, 'connection')) as [Socket];
  const self = { pid: process.pid, netnsInode: namespaceInode('/proc/self/ns/net'), name: 'self' } as Actor;
  const context = contextOf([self]);
  try {
    const local = client.address() as AddressInfo;
    const targets = await targetsOf(self, [{ local, remote }]);
    const outcome = {
      probe: await reset.probe?.(context.effects),
      reset: await reset.apply(context, targets),
      path: await resetPath(context.effects, { a: local, b: remote, namespaceInode: self.netnsInode }, context),
    };
    client.write('x');
    const [received] = (await once(peer, 'data')) as [Buffer];
    return { ...outcome, received: received.length };
  } finally {
    context.close();
    client.destroy();
    server.close();
  }
}

main().then(
  (outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  },
);
