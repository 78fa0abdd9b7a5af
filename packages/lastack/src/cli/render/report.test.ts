import { TcpState } from '@lastack/core';
import { describe, expect, it } from 'vitest';
import { renderReport } from './report.ts';
import { prefersAscii } from './report_options.ts';
import { sampleDiagnosis } from './report_sample_testing.ts';
import { observationOf, observedNamespace } from './report_testing.ts';
import { makeStyle } from './style.ts';

const plain = makeStyle(false);
const colour = makeStyle(true);
const strip = (text: string) => text.replace(/\u001b\[\d+m/g, '');
/** Lines that may stick out: a command is never broken. */
const isCommand = (line: string) => /^ +(?:ss|systemctl|lastack) -?\w/.test(line);

describe('renderReport', () => {
  it.each([100, 80, 40])('at %d columns', (width) => {
    expect(renderReport(sampleDiagnosis(), { width, style: plain })).toMatchSnapshot();
  });

  it.each([40, 41, 63, 64, 80, 100, 200])('keeps to %d columns but for commands, with colour the same', (width) => {
    const text = renderReport(sampleDiagnosis(), { width, style: plain });
    for (const line of text.split('\n')) {
      if (!isCommand(line)) expect(line.length, line).toBeLessThanOrEqual(width);
      expect(line).toBe(line.trimEnd());
    }
    expect(text).toContain('ss -tnK state close-wait src 10.0.0.153:8080 dst 10.0.2.46:51200\n');
    expect(strip(renderReport(sampleDiagnosis(), { width, style: colour }))).toBe(text);
  });

  it('lets no control character of others through, and nothing but ASCII where asked', () => {
    const text = renderReport(sampleDiagnosis(), { width: 80, style: plain, ascii: true });
    expect(text).toMatch(/^[ -~\n]*$/);
    expect(text).toContain('\\x1b[31mevil\\x07');
    expect(text).toContain('10.0.0.153:8080 -> 10.0.2.46:51200');
  });

  it('says what was looked at when nothing is stuck', () => {
    const host = observedNamespace('host', [
      { state: TcpState.ESTABLISHED, inode: 5 },
      { state: TcpState.ESTABLISHED, inode: 6 },
      { state: TcpState.LISTEN, inode: 7 },
    ]);
    const healthy = { observation: observationOf([host]), findings: [], capabilities: [], tookMs: 41.2 };
    expect(renderReport(healthy, { width: 100, style: plain })).toMatchSnapshot();
    const incomplete = { what: 'network namespace blue not read', because: 'permission denied', incomplete: true };
    const partly = { ...healthy, observation: observationOf([host], { notes: [incomplete] }) };
    expect(renderReport(partly, { width: 100, style: plain })).toMatchSnapshot();
  });

  it('joins what was not seen for one reason', () => {
    const notes = ['a', 'b', 'c', 'd', 'a'].map((name) => ({
      what: `network namespace ${name} not read`,
      because: 'it vanished meanwhile',
      incomplete: true,
    }));
    const observation = observationOf([observedNamespace('host', [])], { notes });
    const text = renderReport({ observation, findings: [], capabilities: [], tookMs: 1 }, { width: 200, style: plain });
    expect(text.match(/Not seen/g)).toHaveLength(1);
    expect(text.replace(/\n +/g, ' ')).toContain('network namespace c not read and 1 more: it vanished meanwhile');
  });
});

describe('prefersAscii', () => {
  it.each([
    [{ LANG: 'C.UTF-8' }, false],
    [{ LANG: 'de_DE.utf8' }, false],
    [{ LANG: 'C' }, true],
    [{}, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, true],
    [{ LANG: 'C', LC_CTYPE: 'en_US.UTF-8' }, false],
    [{ LANG: 'en_US.UTF-8', LC_ALL: '' }, false],
  ])('%o: %s', (env, expected) => expect(prefersAscii(env)).toBe(expected));
});
