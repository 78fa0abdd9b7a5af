import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { MatchesJson, WhyJson } from '../packages/lastack/src/engine/why_json.ts';
import type { ReportJson } from '../packages/lastack/src/report/report_json.ts';
import type { RetuneJson } from '../packages/lastack/src/report/retune_json.ts';
import { DOCUMENTS, type DocumentName, schemaFile, schemaText } from '../packages/lastack/src/report/schemas.ts';
import type { SocketJson } from '../packages/lastack/src/report/socket_json.ts';
import { COMMAND, ensureBuilt, lastack, ROOT } from './support/command.ts';
import { mayUseLab } from './support/privileged.ts';

const FOLDER = path.join(ROOT, 'packages/lastack/schemas');
const NAMES = Object.keys(DOCUMENTS) as DocumentName[];

type Of<Name extends DocumentName> = z.infer<(typeof DOCUMENTS)[Name]['schema']>;

/** Holds a printed document against the source, and against the published file as any reader of it would. */
function check(name: DocumentName, printed: string): Record<string, unknown> {
  const document = JSON.parse(printed);
  expect(document.schema).toBe(name);
  const published = z.fromJSONSchema(JSON.parse(readFileSync(path.join(FOLDER, schemaFile(name)), 'utf8')));
  for (const schema of [DOCUMENTS[name].schema, published]) {
    const result = schema.safeParse(document);
    expect(result.success ? '' : z.prettifyError(result.error)).toBe('');
  }
  return document;
}

describe('published JSON Schemas', () => {
  it('are one file for each document, and no other', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(NAMES.map(schemaFile).sort());
  });
  it.each(NAMES)('%s is what its source says (else: npm run schemas)', (name) => {
    expect(readFileSync(path.join(FOLDER, schemaFile(name)), 'utf8')).toBe(schemaText(name));
  });
  it.each(NAMES)('%s names its document and its draft', (name) => {
    const schema = JSON.parse(schemaText(name));
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.title).toContain(name);
  });
  it('say the same as the types of the code (checked by the compiler)', () => {
    expectTypeOf<Of<'lastack.report/1'>>().toExtend<ReportJson>();
    expectTypeOf<Of<'lastack.retune/1'>>().toExtend<RetuneJson>();
    expectTypeOf<Of<'lastack.why/1'>>().toExtend<WhyJson | MatchesJson>();
    expectTypeOf<Of<'lastack.sockets/1'>['sockets'][number]>().toExtend<SocketJson>();
  });
  it('refuse a key that they do not know, at every depth', () => {
    const scenario = { name: 'a', title: 'b', families: [4], expects: { blame: [] } };
    const { schema } = DOCUMENTS['lastack.scenarios/1'];
    const whole = (scenarios: unknown[], more = {}) => ({ schema: 'lastack.scenarios/1', scenarios, ...more });
    expect(schema.safeParse(whole([scenario])).success).toBe(true);
    expect(schema.safeParse(whole([scenario], { surprise: 1 })).success).toBe(false);
    expect(schema.safeParse(whole([{ ...scenario, surprise: 1 }])).success).toBe(false);
  });
});

describe('what the built command prints', () => {
  beforeAll(ensureBuilt);

  it('does not carry zod', () => {
    expect(readFileSync(path.join(ROOT, 'packages/lastack/dist/lastack.cjs'), 'utf8')).not.toMatch(/\bzod\b|ZodError/i);
  });

  it('explain', async () => {
    check('lastack.state/1', (await lastack(['explain', 'close-wait', '--json'])).out);
    check('lastack.states/1', (await lastack(['explain', '--json'])).out);
    check('lastack.advice-list/1', (await lastack(['explain', '--list', '--json'])).out);
    for (const advice of [
      'tcp_tw_recycle',
      'ss -K',
      'kill -9 1; tcp_keepalive_interval 1; tcp_no_such=1',
      'nonsense',
      '',
    ]) {
      check('lastack.advice/1', (await lastack(['explain', '--json', advice])).out);
    }
  });

  it('lab list', async () => {
    check('lastack.scenarios/1', (await lastack(['lab', 'list', '--json'])).out);
  });

  it('tune', async () => {
    check('lastack.settings/1', (await lastack(['tune', '--json'])).out);
    check('lastack.tuning/1', (await lastack(['tune', 'advise', '--json'])).out);
    check(
      'lastack.tuned/1',
      (await lastack(['tune', 'set', 'tcp_fin_timeout=61', '--force', '--dry-run', '--json'])).out,
    );
    const drift = await lastack(['tune', 'drift', '--json']);
    // Only the host's own namespace has files; elsewhere it says so.
    if (drift.code === 3) expect(drift.err).toMatch(/host's own network namespace/);
    else check('lastack.drift/1', drift.out);
  });

  it('on this host: the doctor, ls, why', async () => {
    check('lastack.report/1', (await lastack(['--json'])).out);
    check('lastack.sockets/1', (await lastack(['ls', '--json'])).out);
    check('lastack.why/1', (await lastack(['why', '192.0.2.1:1-192.0.2.2:2', '--json'])).out);
  });
});

const inLab = (scenario: string, args: readonly string[], family = '4') =>
  lastack(['lab', 'run', '--family', family, scenario, '--', process.execPath, COMMAND, ...args]);

describe.runIf(mayUseLab())('what the built command prints in the lab', { timeout: 120_000 }, () => {
  beforeAll(ensureBuilt);

  // Between them: pairs, orphans, probes, minisockets, requests, listeners, full queues, no finding at all.
  it.each([
    ['both-ends-visible', '4', 'close-wait-close-forgotten'],
    ['fin-wait-1-blackhole-orphan', '6', 'fin-wait-1-blackhole'],
    ['fin-wait-1-zero-window', '4', 'fin-wait-1-zero-window'],
    ['time-wait-port-pressure', '4', 'time-wait-port-pressure'],
    ['syn-recv-pileup', '6', 'syn-recv-pileup'],
    ['listen-queue-full', '4', 'listen-queue-full'],
    ['forked-holder', '4', undefined],
    ['healthy-busy', '4', undefined],
  ])('the doctor in %s, IPv%s', async (scenario, family, rule) => {
    const { out } = await lastack(['lab', 'run', '--json', '--family', family, scenario]);
    const { findings } = check('lastack.report/1', out) as unknown as ReportJson;
    if (rule !== undefined) expect(findings.map((finding) => finding.rule)).toContain(rule);
  });

  it.each(['fin-wait-2-orphans-90', 'close-wait-unaccepted', 'listen-queue-full'])('ls in %s', async (scenario) => {
    const { sockets } = check('lastack.sockets/1', (await inLab(scenario, ['ls', '--json'])).out);
    expect(sockets).not.toEqual([]);
  });

  it('ls --ndjson prints the elements of the list, one on a line', async () => {
    const { out } = await inLab('close-wait-data-unread', ['ls', '--ndjson', '--no-owners'], '6');
    const lines = out.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.length).toBeGreaterThan(0);
    const element = DOCUMENTS['lastack.sockets/1'].schema.shape.sockets.element;
    for (const line of lines) element.parse(JSON.parse(line));
  });

  it.each([
    ['established-blackhole', 'state established'],
    ['fin-wait-2-held', 'state fin-wait-2'],
    ['fin-wait-1-blackhole-orphan', 'state fin-wait-1'],
    ['listen-queue-full', 'state all'],
  ])('retune in %s', async (scenario, filter) => {
    const args = ['retune', ...filter.split(' '), '--keepalive', '60/10/5', '--linger2', '5', '--dry-run', '--json'];
    const { results } = check('lastack.retune/1', (await inLab(scenario, args)).out) as unknown as RetuneJson;
    expect(results.length).toBeGreaterThan(0);
  });

  it('block add, block remove and undo', async () => {
    const home = mkdtempSync(path.join(tmpdir(), 'lastack-schemas-'));
    const ends = '192.0.2.1:1-192.0.2.2:2';
    // One document on each line.
    const script = `
      lastack() { "$node" "$command" "$@" --json; }
      node=$0 command=$1
      export XDG_STATE_HOME=$2
      lastack block add ${ends} --drop
      lastack block remove ${ends}
      lastack undo --dry-run`;
    try {
      const inside = ['sh', '-c', script, process.execPath, COMMAND, home];
      const { out } = await lastack(['lab', 'run', 'forked-holder', '--', ...inside]);
      const [added, removed, undone] = out.split('\n').filter((line) => line.startsWith('{'));
      expect(check('lastack.blocked/1', added).blocks).toHaveLength(1);
      expect(check('lastack.unblocked/1', removed).blocks).toMatchObject([{ outcome: 'removed' }]);
      check('lastack.undone/1', undone);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it('why, for several connections and for one of them', async () => {
    const several = check('lastack.why/1', (await inLab('both-ends-same-host', ['why', ':8080', '--json'])).out);
    expect(several.matched).toBeGreaterThan(1);
    // A cookie is known only inside: the sockets are listed first.
    const script = String.raw`
      list=$("$0" "$1" ls --ndjson state close-wait)
      cookie=$(expr "$list" : '.*"cookie":"\([0-9a-f]*\)"')
      "$0" "$1" why --json "cookie:$cookie"`;
    const inside = ['lab', 'run', 'both-ends-same-host', '--', 'sh', '-c', script, process.execPath, COMMAND];
    const one = check('lastack.why/1', (await lastack(inside)).out);
    expect(one).toMatchObject({ matched: 1, socket: { state: 'CLOSE_WAIT' }, peer: { state: 'FIN_WAIT2' } });
  });
});
