import { describe, expect, it } from 'vitest';
import { Page } from './report_layout.ts';
import { makeStyle } from './style.ts';

const page = (width: number) => new Page({ width, style: makeStyle(false) });

describe('Page', () => {
  it('cuts a word that is wider than the page behind a separator', () => {
    const source = '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait';
    expect(page(40).prose(source, '  ')).toEqual([
      '  /proc/sys/net/netfilter/nf_conntrack_',
      '  tcp_timeout_close_wait',
    ]);
    expect(
      page(40)
        .prose('x'.repeat(90), ' ')
        .map((line) => line.length),
    ).toEqual([40, 40, 13]);
  });

  it.each([40, 64, 80, 110])('keeps facts within %d columns', (width) => {
    const source = '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait';
    const lines = page(width).labelled('Evidence', page(width).facts([{ fact: 'time limit', value: '60 s', source }]));
    expect(lines.filter((line) => line.length > width)).toEqual([]);
    expect(lines.join('').replaceAll(/\s/g, '')).toBe(
      `Evidence${width < 80 && width < 64 ? 'timelimit:60s' : 'timelimit60s'}(${source})`,
    );
  });
});
