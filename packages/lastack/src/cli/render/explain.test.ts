import { STATES_IN_ORDER, TcpState } from '@lastack/core';
import { describe, expect, it } from 'vitest';
import { explainJson, renderExplain, renderExplainAll } from './explain.ts';
import { makeStyle } from './style.ts';

// Defaults of Linux 6.18, but for a tcp_fin_timeout that does not last as long as it says.
const settings = {
  tcp_retries2: 15,
  tcp_orphan_retries: 0,
  tcp_fin_timeout: 90,
  tcp_rto_max_ms: 120_000,
  tcp_syn_retries: 6,
  tcp_syn_linear_timeouts: 4,
  tcp_synack_retries: 5,
  tcp_keepalive_time: 7200,
  tcp_keepalive_intvl: 75,
  tcp_keepalive_probes: 9,
  tcp_max_orphans: 131_072,
  tcp_max_tw_buckets: 131_072,
  tcp_max_syn_backlog: 4096,
  tcp_tw_reuse: 2,
  tcp_timestamps: 1,
  tcp_rfc1337: 0,
  somaxconn: 4096,
};
const plain = makeStyle(false);
const colour = makeStyle(true);
const strip = (text: string) => text.replace(/\u001b\[\d+m/g, '');

describe('explain STATE', () => {
  it.each(['FIN_WAIT1', 'FIN_WAIT2', 'CLOSE_WAIT', 'TIME_WAIT', 'NEW_SYN_RECV'] as const)(
    '%s at 80 columns',
    (state) => {
      expect(renderExplain(state, { settings, width: 80, style: plain })).toMatchSnapshot();
    },
  );

  it.each(['FIN_WAIT1', 'FIN_WAIT2'] as const)('%s at 40 columns', (state) => {
    expect(renderExplain(state, { settings, width: 40, style: plain })).toMatchSnapshot();
  });

  it.each(STATES_IN_ORDER)('%s keeps to the width, in ASCII where asked, and the same with colour', (state) => {
    for (const width of [40, 60, 80, 200]) {
      const text = renderExplain(state, { settings, width, style: plain, ascii: true });
      for (const line of text.split('\n')) {
        expect(line.length).toBeLessThanOrEqual(Math.min(width, 80));
        expect(line).toBe(line.trimEnd());
      }
      expect(text).toMatch(/^[ -~\n]*$/);
      const coloured = renderExplain(state, { settings, width, style: colour, ascii: true });
      expect(coloured).not.toBe(text);
      expect(strip(coloured)).toBe(text);
    }
  });

  it('shows this host: its values, and what it cannot read', () => {
    const here = renderExplain('FIN_WAIT2', { settings, width: 80, style: plain });
    expect(here).toContain('2 x (90 - 60) = 60 s, not the 90 s that tcp_fin_timeout says.');
    expect(here).toContain('tcp_fin_timeout = 90');
    const blind = renderExplain('FIN_WAIT2', { settings: {}, width: 80, style: plain });
    expect(blind).toContain('tcp_fin_timeout = not readable here');
    expect(renderExplain('FIN_WAIT1', { settings, width: 80, style: plain })).toContain(
      'tcp_orphan_retries is 0, which acts as 8',
    );
  });
});

describe('explain', () => {
  it('draws the whole machine at 80 columns and lists it at 40', () => {
    expect(renderExplainAll({ width: 80, style: plain })).toMatchSnapshot();
    expect(renderExplainAll({ width: 40, style: plain })).toMatchSnapshot();
  });
});

describe('explain STATE --json', () => {
  it.each(STATES_IN_ORDER)('%s survives JSON whole', (state) => {
    const value = explainJson(state, settings);
    expect(JSON.parse(JSON.stringify(value))).toEqual(value);
    expect(value).toMatchObject({ schema: 'lastack.state/1', state, number: TcpState[state] });
  });

  it('gives an unread setting as null', () => {
    const { lengths } = explainJson('FIN_WAIT2', {});
    expect(lengths.find(({ when }) => when === 'orphan')?.settings).toEqual({ tcp_fin_timeout: null });
  });
});
