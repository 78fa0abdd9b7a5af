import { setTimeout as sleep } from 'node:timers/promises';
import { type AddressPair, pair, routed, type World } from '@lastack/lab';
import { describe, expect } from 'vitest';
import { clientSide, connections, finish, SERVICE_PORT } from '../../../lab/src/connection.ts';
import { missingNamespaces } from '../support/privileged.ts';
import { addRule, check, cutBoth, inLab, mirrored, python, run, seen, stateOf, untilState } from './check.ts';

/** Two connections whose client has closed its sending side, and to which nobody answers. */
async function unanswered(world: World): Promise<AddressPair[]> {
  const all = await connections(world, 2);
  await cutBoth(world);
  await finish(
    world.client,
    all.map(({ clientFd }) => clientFd),
    'shutdown',
  );
  return clientSide(world, all);
}

describe.skipIf(missingNamespaces() !== undefined)('verdicts on firewalls, on this kernel', () => {
  check('drop-makes-it-last', 'where the peer lost its socket: gone at once without the rule, FIN_WAIT1 with it', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const all = await connections(world, 2);
      const [dropped, free] = clientSide(world, all);
      await cutBoth(world);
      // The resets of the peer are lost on the way.
      await world.server.call('abort', { fds: all.map(({ serverFd }) => serverFd) });
      await world.restore?.();
      await addRule(world.client, 'input', `tcp dport ${dropped.local.port} drop`);
      await finish(
        world.client,
        all.map(({ clientFd }) => clientFd),
        'close',
      );
      expect(await untilState(world.client, free, undefined)).toBeLessThan(3_000);
      await sleep(5_000);
      expect(await seen(world.client, dropped)).toMatchObject({ state: 'FIN_WAIT1', timer: { kind: 'retransmit' } });
    }),
  );

  check('tcp-reset-on-output-clears-here-only', 'the local end goes, the peer stays as it was', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const [rejected, other] = await unanswered(world);
      await addRule(world.client, 'output', `tcp sport ${rejected.local.port} reject with tcp reset`);
      await untilState(world.client, rejected, undefined);
      expect(await stateOf(world.client, other)).toBe('FIN_WAIT1');
      expect(await stateOf(world.server, mirrored(rejected))).toBe('ESTABLISHED');
    }),
  );

  check('icmp-reject-ends-nothing', 'FIN_WAIT1 goes on retransmitting', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const [rejected] = await unanswered(world);
      await addRule(world.client, 'output', `tcp sport ${rejected.local.port} reject`);
      await sleep(5_000);
      const line = await seen(world.client, rejected);
      expect(line).toMatchObject({ state: 'FIN_WAIT1', timer: { kind: 'retransmit' } });
      expect(await run(world.client, 'nft', ['list', 'ruleset'])).toContain('reject');
    }),
  );

  check('nf-conntrack-is-read-only', 'for root as well', ({ skip }) =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      await addRule(world.client, 'input', 'ct state new,established accept');
      const tried = await python<{ mode?: string; error: string }>(world.client, WRITE_TABLE);
      if (tried.error === 'ENOENT') skip('this kernel has no /proc/net/nf_conntrack (CONFIG_NF_CONNTRACK_PROCFS)');
      expect(tried.mode).toBe('0o440');
      expect(tried.error).toBe('EACCES');
    }),
  );

  check('conntrack-delete-leaves-the-socket', 'with the same cookie, on both ends, -F as well', () =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      await addRule(world.client, 'input', 'ct state new,established accept');
      const all = await connections(world, 1);
      const [one] = clientSide(world, all);
      const before = [await seen(world.client, one), await seen(world.server, mirrored(one))];
      for (const deletion of [['-D', '-p', 'tcp', '--dport', String(SERVICE_PORT)], ['-F']]) {
        await world.client.call('send', { fd: all[0].clientFd, bytes: 1 });
        await world.server.call('receive', { fd: all[0].serverFd, bytes: 8, limitMs: 5_000 });
        expect(await run(world.client, 'conntrack', ['-L'])).toContain(`dport=${SERVICE_PORT}`);
        await world.client.run('conntrack', deletion);
        expect(await run(world.client, 'conntrack', ['-L'])).not.toContain(`dport=${SERVICE_PORT}`);
        const after = [await seen(world.client, one), await seen(world.server, mirrored(one))];
        expect(after.map((line) => line?.state)).toEqual(['ESTABLISHED', 'ESTABLISHED']);
        expect(after.map((line) => line?.cookie)).toEqual(before.map((line) => line?.cookie));
      }
    }),
  );
});

const WRITE_TABLE = `
import errno, json, os
name = '/proc/net/nf_conntrack'
result = {}
try:
    result['mode'] = oct(os.stat(name).st_mode & 0o777)
    with open(name, 'w') as table: table.write('tcp 6 0\\n')
    result['error'] = 'none'
except OSError as problem: result['error'] = errno.errorcode[problem.errno]
print(json.dumps(result))
`;
