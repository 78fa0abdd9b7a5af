import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec, snapshotOf } from '../testing.ts';
import { RULES } from './mod.ts';
import { contextOf } from './shared/testing.ts';

/** The rules that lastack promises, by name. */
const TABLE = [
  'fin-wait-1-blackhole',
  'fin-wait-1-zero-window',
  'fin-wait-1-immortal',
  'fin-wait-2-held',
  'fin-wait-2-orphans',
  'close-wait-eof-unread',
  'close-wait-data-unread',
  'close-wait-close-forgotten',
  'close-wait-unaccepted',
  'last-ack-blackhole',
  'last-ack-zero-window',
  'closing-blackhole',
  'established-blackhole',
  'established-zero-window',
  'syn-sent-unanswered',
  'syn-recv-pileup',
  'listen-queue-full',
  'time-wait-port-pressure',
  'time-wait-overflow',
  'conntrack-missing',
  'conntrack-expires-first',
  'orphan-pressure',
].sort();

const RULES_FOLDER = fileURLToPath(new URL('.', import.meta.url));
const DOCS_FOLDER = fileURLToPath(new URL('../../../../docs/rules/', import.meta.url));

/** File names of a folder that end so, without that ending. */
function names(folder: string, ending: string, except: readonly string[] = []): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .filter((name) => !except.includes(name))
    .sort();
}

describe('one rule = one file = one test = one docs page', () => {
  it('rules', () => {
    expect(RULES.map(({ id }) => id).sort()).toEqual(TABLE);
  });
  it('files', () => {
    const sources = names(RULES_FOLDER, '.ts', ['mod']).filter((name) => !name.endsWith('.test'));
    expect(sources).toEqual(TABLE);
  });
  it('tests', () => {
    expect(names(RULES_FOLDER, '.test.ts', ['surface', 'healthy'])).toEqual(TABLE);
  });
  it('docs pages', () => {
    expect(names(DOCS_FOLDER, '.md', ['README'])).toEqual(TABLE);
  });
});

describe('a rule without needs is judged before anything is fetched', () => {
  it.each(RULES.filter(({ needs }) => needs.length === 0).map((rule) => [rule.id, rule] as const))(
    '%s',
    (_id, rule) => {
      const sockets = Array.from(
        { length: 30_000 },
        (_, index): SocketSpec => ({
          state: TcpState.TIME_WAIT,
          localPort: 32_768 + (index % 28_000),
          remotePort: 443,
          expiresMs: index,
        }),
      );
      const early = () => {
        throw new Error('asked too early');
      };
      const namespace = namespaceOf(sockets);
      namespace.table.info = early;
      for (const name of ['counters', 'options', 'paths', 'conntrack'])
        Object.defineProperty(namespace, name, { get: early });
      const snapshot = { ...snapshotOf([namespace]), owners: { get: early } };
      Object.defineProperty(snapshot, 'activity', { get: early });
      const context = { ...contextOf(snapshot), forecast: () => ({ kind: 'at', because: 'a test' }) as const };
      expect(() => rule.diagnose(namespace, [], context)).not.toThrow();
    },
  );
});

describe.each(TABLE)('%s', (id) => {
  it('has finds and stays silent cases', () => {
    const test = readFileSync(`${RULES_FOLDER}${id}.test.ts`, 'utf8');
    expect(test).toContain(`describe('${id} finds'`);
    expect(test).toContain(`describe('${id} stays silent'`);
  });

  it('has a docs page that answers the six questions', () => {
    const page = readFileSync(`${DOCS_FOLDER}${id}.md`, 'utf8');
    expect(page.startsWith(`# ${id}\n`)).toBe(true);
    expect(page.match(/^## .*$/gm)).toEqual([
      '## What it means',
      '## How it is told apart',
      '## Whose fault',
      '## When it ends',
      '## What to do',
      '## What does not help',
    ]);
  });
});
