import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explainCommand } from '../src/cli/commands/explain.ts';
import { whyCommand } from '../src/cli/commands/why.ts';
import { type Effects, UserError } from '../src/effects.ts';
import { capturedEffects } from './support/effects.ts';

/** Runs a command as the program does, over the real kernel. */
async function run(
  argv: readonly string[],
  env: Effects['env'] = {},
): Promise<{ out: string; err: string; code: number }> {
  const effects = capturedEffects(argv, { env });
  let code = -1;
  const program = new Command().exitOverride();
  for (const add of [whyCommand, explainCommand]) {
    add(program, effects, (result) => {
      code = result;
    });
  }
  await program.parseAsync([...argv], { from: 'user' });
  return { ...effects.written, code };
}

/** What ss says of a socket: the oracle. */
function ssLine(local: number, remote: number): string {
  const filter = ['sport', '=', `:${local}`, 'and', 'dport', '=', `:${remote}`];
  return execFileSync('ss', ['-Htane', ...filter], { encoding: 'utf8' }).trim();
}

describe('why and explain over the real kernel', () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  let client: Socket;
  let accepted: Socket;
  let port: number;

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    [accepted] = (await once(server, 'connection')) as [Socket];
    client.end();
    // The rules wait two seconds before they call a half-closed connection stuck.
    await pause(2500);
  });

  afterAll(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });

  it('explains both ends of a half-closed connection', async () => {
    const peerPort = (client.address() as AddressInfo).port;
    const ss = ssLine(port, peerPort);
    const { out, code } = await run(['why', '--json', `127.0.0.1:${port}-127.0.0.1:${peerPort}`]);
    expect(code).toBe(0);
    const document = JSON.parse(out);
    expect(document).toMatchObject({ schema: 'lastack.why/1', matched: 1 });
    expect(ss).toMatch(/^CLOSE-WAIT 1 /);
    expect(document.socket).toMatchObject({ state: 'CLOSE_WAIT', recvQueueBytes: 1 });
    expect(ss).toMatch(new RegExp(`sk:${document.socket.cookie}\\b`));
    expect(ss).toMatch(new RegExp(`ino:${document.socket.inode}\\b`));
    expect(document.socket.owners).toContainEqual(expect.objectContaining({ pid: process.pid }));
    expect(document.socket.options).toMatchObject({ keepalive: false });
    expect(document.socket.path).toMatchObject({ route: 'local' });
    expect(document.socket.forecast.kind).toBe('never');
    expect(document.peer).toMatchObject({ state: 'FIN_WAIT2' });
    expect(ssLine(peerPort, port)).toMatch(new RegExp(`^FIN-WAIT-2 .*sk:${document.peer.cookie}\\b`));
    expect(document.timeline.find(({ missing }: { missing?: true }) => missing)).toMatchObject({ id: 'local close' });
    expect(document.findings.map(({ rule }: { rule: string }) => rule)).toEqual(['close-wait-eof-unread']);
  });

  it('takes the line that ss prints, a cookie, and a descriptor', async () => {
    const peerPort = (client.address() as AddressInfo).port;
    const line = ssLine(port, peerPort);
    const cookie = /sk:([0-9a-f]+)/.exec(line)?.[1];
    const fd = (accepted as unknown as { _handle: { fd: number } })._handle.fd;
    for (const target of [[line], [`cookie:${cookie}`], [`pid:${process.pid}`, `fd:${fd}`]]) {
      const { out, code } = await run(['why', '--json', ...target]);
      expect(code).toBe(0);
      expect(JSON.parse(out).socket.cookie).toBe(cookie);
    }
    const { out } = await run(['why', `cookie:${cookie}`], { LANG: 'C.UTF-8' });
    expect(out).toContain('◀ close() missing');
    expect(out).toContain('Never by itself.');
  });

  it('answers for a target that names nothing, and refuses one that cannot be read', async () => {
    const { out, err, code } = await run(['why', '192.0.2.1:1-192.0.2.2:2']);
    expect({ out, code }).toEqual({ out: '', code: 1 });
    expect(err).toMatch(/^lastack: no socket matches: looked for a connection between 192\.0\.2\.1:1 and .* in \d+ /);
    expect((await run(['why', '192.0.2.1:1', '->', '192.0.2.2:2'])).code).toBe(1);
    await expect(run(['why', 'nonsense'])).rejects.toThrow(UserError);
    await expect(run(['why', ':1', '--jsn'])).rejects.toThrow('no option --jsn');
  });

  it('explains a state with the values of this host, in ASCII unless the locale is UTF-8', async () => {
    const seconds = execFileSync('cat', ['/proc/sys/net/ipv4/tcp_fin_timeout'], { encoding: 'utf8' }).trim();
    const { out, code } = await run(['explain', 'fin', 'wait', '2']);
    expect(code).toBe(0);
    expect(out).toContain(`tcp_fin_timeout = ${seconds}`);
    expect(out).toMatch(/^[ -~\n]*$/);
    expect((await run(['explain', 'SYN_RECEIVED'], { LANG: 'C.UTF-8' })).out).toMatch(/^SYN_RECV\n.*║/s);
    expect((await run(['explain', '--ascii'], { LANG: 'C.UTF-8' })).out).toMatch(/^[ -~\n]*$/);
    expect(JSON.parse((await run(['explain', 'CLOSE_WAIT', '--json'])).out)).toMatchObject({ state: 'CLOSE_WAIT' });
    await expect(run(['explain', 'cloze-wait'])).rejects.toThrow('did you mean CLOSE_WAIT?');
    await expect(run(['explain', 'wait'])).rejects.toThrow('FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT');
  });
});
