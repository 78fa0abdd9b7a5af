import { beforeAll, describe, expect, it } from 'vitest';
import { buildBulk, Lab } from '../src/mod.ts';
import { bundleActor } from './actor-file.ts';
import { missingPrivilege } from './privileged.ts';

const LIMIT_MS = 60_000;

describe.skipIf(missingPrivilege() !== undefined)('many sockets in one namespace', () => {
  let actorFile = '';

  beforeAll(async () => {
    actorFile = await bundleActor();
  });

  it('has exactly what was asked for, by ss', { timeout: LIMIT_MS }, async () => {
    const lab = new Lab({ actorFile });
    try {
      const bulk = await buildBulk(lab, { timeWait: 5_001, halfClosed: 1_001, actors: 3 });
      const { stdout } = await bulk.observeIn.run('ss', ['-tanH']);
      const counts: Record<string, number> = {};
      for (const line of stdout.trim().split('\n')) {
        const state = line.slice(0, line.indexOf(' '));
        counts[state] = (counts[state] ?? 0) + 1;
      }
      expect(counts).toEqual({ 'TIME-WAIT': 5_001, 'FIN-WAIT-2': 1_001, 'CLOSE-WAIT': 1_001 });
      expect(bulk).toMatchObject({ timeWait: 5_001, halfClosed: 1_001 });
    } finally {
      await lab.close();
    }
  });
});
