import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { allAdvice, judgeAdvice } from '@lastack/core';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../../../core/src/testing.ts';

/** Ids of the tests in this folder. */
function checks(): string[] {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'));
  return files.flatMap((name) => {
    const text = readFileSync(path.join(import.meta.dirname, name), 'utf8');
    return [...text.matchAll(/^\s*check\(\s*'([a-z0-9-]+)'/gm)].map(([, id]) => id);
  });
}

describe('verdicts and the tests that check them', () => {
  const claimed = new Set(allAdvice(DEFAULT_SETTINGS).flatMap(({ judged }) => judged.checkedBy ?? []));

  it('every check that a verdict names is there, once', () => {
    const all = checks();
    expect(new Set(all).size).toBe(all.length);
    expect([...claimed].filter((id) => !all.includes(id))).toEqual([]);
  });

  it('every check is named by a verdict', () => {
    expect(checks().filter((id) => !claimed.has(id))).toEqual([]);
  });

  it('the verdicts that turn on a value or a purpose are checked as well', () => {
    for (const text of [
      'tcp_fin_timeout=61',
      'lower tcp_fin_timeout to clear FIN_WAIT1',
      'tcp_tw_reuse=1',
      'kill -9 to end FIN_WAIT1',
    ]) {
      expect(judgeAdvice(text, DEFAULT_SETTINGS).parts[0].checkedBy, text).not.toBeUndefined();
    }
  });
});
