import path from 'node:path';
import { ANY_DUAL, BIND_SETS, type BindAddress, type Occupant, OPTIONS_OF, predictBind, TcpState } from '@lastack/core';
import { Lab, routed } from '@lastack/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PortHolderJson, PortJson } from '../src/report/port_json.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR } from './support/command.ts';
import { type Staged, type Stand, stagePorts } from './support/port_states.ts';
import { missingNamespaces } from './support/privileged.ts';

const ORACLE = path.join(import.meta.dirname, 'support/bind_oracle.py');
const LIMIT_MS = 180_000;

beforeAll(ensureBuilt);

async function portJson({ world }: Stand, port: number): Promise<PortJson> {
  const args = [COMMAND, 'port', String(port), '--own-netns', '--address', world.serverAddress, '--json'];
  const { code, stdout, stderr } = await world.server.run(process.execPath, args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

type Answers = Record<string, [bind: string, listen: string | null][]>;

async function oracle({ world }: Stand, jobs: readonly unknown[]): Promise<Answers[]> {
  const input = jobs.map((job) => `${JSON.stringify(job)}\n`).join('');
  const { code, stdout, stderr } = await world.server.run('python3', [ORACLE], input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function occupantOf(holder: PortHolderJson): Occupant {
  const { state, family, local, ...rest } = holder;
  return {
    ...rest,
    state: TcpState[state as keyof typeof TcpState],
    family: family === 'inet' ? 4 : 6,
    localAddress: local.address,
  };
}

function addressOf({ address, v6only = false }: PortJson['binds'][number]): BindAddress {
  return { family: address.includes(':') ? 6 : 4, address, v6only };
}

/** What the core foretells from the holders that the document lists. */
function foretold(document: PortJson, at: BindAddress, set: (typeof BIND_SETS)[number]): string {
  const question = { at, options: OPTIONS_OF[set], port: document.port, uid: 0, mayBindLow: true };
  return predictBind(question, document.holders.map(occupantOf)).result;
}

describe.skipIf(missingNamespaces() !== undefined)('every state on the port, against the real bind', () => {
  const flavours = [
    ['IPv4', 4, undefined],
    ['IPv6', 6, undefined],
    ['dual-stack, reached by IPv4', 4, ANY_DUAL.address],
    ['dual-stack, reached by IPv6', 6, ANY_DUAL.address],
  ] as const;
  const cases = flavours.flatMap((flavour) => ([1, 0] as const).map((reuseaddr) => [...flavour, reuseaddr] as const));

  it.each(cases)('%s (%i, %s), SO_REUSEADDR %i', { timeout: LIMIT_MS }, async (_name, family, wildcard, reuseaddr) => {
    const lab = new Lab({ actorFile: LAB_ACTOR });
    try {
      const world = await routed(lab, family);
      const options = { SO_REUSEADDR: reuseaddr };
      const stand = { world, listenAddress: wildcard ?? world.serverAddress, options };
      const staged = [...(await stagePorts(stand, 20_000, 1 + BIND_SETS.length)).values()];
      const documents: PortJson[] = [];
      for (const [{ port }] of staged) documents.push(await portJson(stand, port));
      const jobs = staged.map(([, ...others], index) => ({
        addresses: documents[index].binds.map(({ address, v6only = false }) => [address, v6only]),
        ports: Object.fromEntries(BIND_SETS.map((set, copy) => [set, others[copy].port])),
      }));
      const answers = await oracle(stand, jobs);
      for (const [index, [{ name, state }]] of staged.entries()) check(name, state, documents[index], answers[index]);
    } finally {
      await lab.close();
    }
  });

  function check(name: Staged['name'], state: string, document: PortJson, answers: Answers): void {
    expect(document.holders.map((holder) => `${name}: ${holder.state}`)).toEqual([`${name}: ${state}`]);
    const said: string[] = [];
    const real: string[] = [];
    for (const [index, row] of document.binds.entries()) {
      const at = addressOf(row);
      for (const set of BIND_SETS) {
        const [bound, listened] = answers[set][index];
        const what = `${name}, ${row.address}${row.v6only ? ' (IPv6 only)' : ''}, ${set}: `;
        said.push(what + row.results[set]);
        real.push(what + bound);
        // The explanation may be unsure, but never wrong.
        const guess = foretold(document, at, set);
        if (guess !== 'unknown') expect(what + guess).toBe(what + bound);
        // Who may bind may listen, unless another listens first: so it need not be tried.
        if (bound === 'ok') expect(what + listened).toBe(`${what}ok`);
      }
    }
    expect(said).toEqual(real);
    expect(document.bind.plain).toBe(document.binds[0].results.plain);
  }
});
