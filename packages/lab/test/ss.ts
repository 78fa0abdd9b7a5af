import type { Actor, AddressPair } from '../src/mod.ts';

/** One line of `ss -tanoeiOHp`, as far as the tests ask. */
export interface SsLine {
  state: string;
  receiveQueue: number;
  sendQueue: number;
  timer: string | undefined;
  retransmits: number;
  backoff: number;
  /** Names of the processes that hold it. */
  users: string[];
  text: string;
}

function lineOf(text: string): SsLine {
  const [state = '', receiveQueue, sendQueue] = text.split(/\s+/);
  const timer = /timer:\((\w+),[^,]*,(\d+)\)/.exec(text);
  return {
    state,
    receiveQueue: Number(receiveQueue),
    sendQueue: Number(sendQueue),
    timer: timer?.[1],
    retransmits: Number(timer?.[2] ?? 0),
    backoff: Number(/backoff:(\d+)/.exec(text)?.[1] ?? 0),
    users: [...text.matchAll(/\("([^"]+)",pid=/g)].map(([, name]) => name as string),
    text,
  };
}

function written(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** What `ss`, run inside the namespace, says of these sockets. A listener (remote port 0) is found by its own end. */
export async function ss(actor: Actor, pairs: readonly AddressPair[]): Promise<SsLine[]> {
  const { code, stdout, stderr } = await actor.run('ss', ['-tanoeiOHp']);
  if (code !== 0) throw new Error(`ss failed: ${stderr}`);
  const wanted = new Set(
    pairs.map(({ local, remote }) => {
      const here = `${written(local.address)}:${local.port}`;
      return remote.port === 0 ? here : `${here} ${written(remote.address)}:${remote.port}`;
    }),
  );
  return stdout
    .split('\n')
    .filter((text) => text !== '')
    .filter((text) => {
      const [state, , , local = '', remote = ''] = text.split(/\s+/);
      return wanted.has(`${local} ${remote}`) || (state === 'LISTEN' && wanted.has(local));
    })
    .map(lineOf);
}
