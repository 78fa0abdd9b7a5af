import { allAdvice, judgeAdvice, parseFilter } from '@lastack/core';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../../../../core/src/testing.ts';
import { capturedEffects } from '../../../test/support/effects.ts';
import { parseTarget } from '../../engine/target.ts';
import { runCommandLine } from '../program.ts';
import { renderAdvice, renderAdviceList } from './advice.ts';
import { makeStyle } from './style.ts';

const plain = makeStyle(false);
const host = {
  settings: DEFAULT_SETTINGS,
  kernelRelease: '6.18.0',
  timerHz: 250,
  sockDestroy: { available: false, because: 'EOPNOTSUPP' },
};
const render = (text: string, width = 80, style = plain) =>
  renderAdvice(judgeAdvice(text, DEFAULT_SETTINGS), host, { width, style });

/** Commands that have commands below them. */
const GROUPS = new Set(['tune', 'block', 'lab']);

describe('explain ADVICE', () => {
  it.each(['tcp_fin_timeout=75', 'ss -K state fin-wait-1', 'no -o tcp_finwait2=20; tcp_no_such=1'])(
    '%s at 80 columns',
    (text) => {
      expect(render(text)).toMatchSnapshot();
    },
  );

  it('at 40 columns', () => {
    expect(render('ip route flush cache', 40)).toMatchSnapshot();
  });

  it('keeps to the width but for commands, and is the same with colour', () => {
    for (const { example } of allAdvice(DEFAULT_SETTINGS)) {
      for (const width of [40, 80, 200]) {
        const text = render(example, width);
        const wide = text
          .split('\n')
          .filter((line) => line.length > Math.min(width, 80) && !/^ {2,6}(lastack|ss|ls) /.test(line));
        expect(wide, example).toEqual([]);
        expect(render(example, width, makeStyle(true)).replace(/\u001b\[\d+m/g, '')).toBe(text);
      }
    }
  });

  it('says what is not there', () => {
    const without = { ...DEFAULT_SETTINGS, tcp_rto_max_ms: undefined, tcp_fin_timeout: undefined } as never;
    const here = (text: string) =>
      renderAdvice(judgeAdvice(text, without), { ...host, settings: without }, { width: 200, style: plain });
    expect(here('tcp_tw_recycle')).toContain('tcp_tw_recycle: this kernel has no such setting.');
    expect(here('tcp_rto_max_ms')).toContain('tcp_rto_max_ms: not readable here; kernels have it since 6.15.');
    expect(here('tcp_fin_timeout=15')).toContain('tcp_fin_timeout: not readable here.');
    expect(here('nf_conntrack_tcp_loose')).toContain('connection tracking is not in use, or may not be read.');
  });

  it('lists everything', () => {
    const text = renderAdviceList(allAdvice(DEFAULT_SETTINGS), { width: 80, style: plain });
    expect(text).toContain('gone          tcp_tw_recycle');
    expect(text).not.toMatch(/^ /);
  });
});

describe('what to do instead', () => {
  const commands = [
    ...new Set(allAdvice(DEFAULT_SETTINGS).flatMap(({ judged }) => judged.instead.map(({ command }) => command))),
  ];

  it.each(commands)('%s is a command of lastack, with options that it has', async (command) => {
    const [program, ...words] = command.split(' ');
    expect(program).toBe('lastack');
    const names = words.filter((word) => /^(?:[a-z]+)$/.test(word)).slice(0, GROUPS.has(words[0]) ? 2 : 1);
    const effects = capturedEffects([...names, '--help']);
    await runCommandLine(effects);
    expect(effects.written.err).toBe('');
    for (const option of words.filter((word) => word.startsWith('--'))) expect(effects.written.out).toContain(option);
  });

  const select = commands.filter((command) => /^lastack (?:clear|ls|retune) (?!--|TARGET)/.test(command));
  it.each(select)('%s selects by a filter, or a target', (command) => {
    const [, , ...words] = command.split(' ');
    const ends = words.findIndex((word) => word.startsWith('--'));
    const wanted = words.slice(0, ends === -1 ? undefined : ends);
    if (/\d:\d/.test(wanted.join()) || wanted[0].includes(':')) expect(parseTarget(wanted)).toBeDefined();
    else expect(parseFilter(wanted)).toBeDefined();
  });
});
