import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Effects } from '../effects.ts';
import { withUsefulAdvice } from './advice.ts';

describe('withUsefulAdvice', () => {
  let procRoot: string;
  beforeEach(() => {
    procRoot = mkdtempSync(join(tmpdir(), 'lastack-advice-'));
    mkdirSync(join(procRoot, 'self'));
  });
  afterEach(() => rmSync(procRoot, { recursive: true }));

  /** What remains of the advice for this user. CAP_SYS_PTRACE is bit 19, CAP_NET_ADMIN bit 12 (capability.h). */
  function advice(todo: string | undefined, uid: number, capEff: string): string | undefined {
    writeFileSync(join(procRoot, 'self/status'), `Name:\tnode\nCapEff:\t${capEff}\n`);
    return withUsefulAdvice({ uid, procRoot } as Effects, [{ todo }])[0].todo;
  }

  it('drops "run as root" for root who can do no more', () => {
    expect(advice('run as root', 0, '000001ffffffffff')).toBeUndefined();
    expect(advice('run as root or with CAP_SYS_PTRACE', 0, '0000000000080000')).toBeUndefined();
    expect(advice('run as root (CAP_NET_ADMIN)', 0, '0000000000000000')).toBeUndefined();
  });

  it('names the capability that root lacks, as in a container', () => {
    expect(advice('run as root or with CAP_SYS_PTRACE', 0, '0000000000001000')).toBe('run with CAP_SYS_PTRACE');
  });

  it('leaves all other advice alone', () => {
    expect(advice('run as root or with CAP_SYS_PTRACE', 1000, '0')).toBe('run as root or with CAP_SYS_PTRACE');
    expect(advice('load the module', 0, '0')).toBe('load the module');
    expect(advice(undefined, 0, '0')).toBeUndefined();
  });
});
