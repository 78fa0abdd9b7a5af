import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMAND, ensureBuilt, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';

const DIST = path.join(path.dirname(COMMAND), '../dist');
const CERTIFICATES = '/nowhere/certificates of "this" host.pem';
const PRINT_ENVIRONMENT = 'process.stdout.write(JSON.stringify(process.env))';

/** As a shell starts it: by the first line of the file. */
function directly(args: readonly string[], { file = COMMAND, env = {} } = {}) {
  return outcomeOf(start(file, args, { env: { ...process.env, ...env } }));
}

describe('the start of the command', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lastack start '));
  beforeAll(ensureBuilt);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('passes every argument on, also through a link in a path with blanks', async () => {
    const link = path.join(folder, 'last ack');
    symlinkSync(COMMAND, link);
    for (const args of [['ls', 'sport = "x  y"'], ['ls', '$(id) `id` *'], ['--version'], ['explain', "it's"], ['']]) {
      const expected = await outcomeOf(start(process.execPath, [COMMAND, ...args]));
      expect(await directly(args)).toEqual(expected);
      expect(await directly(args, { file: link })).toEqual(expected);
    }
  });

  it('keeps Node from reading certificates, which takes longer than all the rest', async () => {
    const env = { NODE_EXTRA_CA_CERTS: CERTIFICATES };
    // Node complains of a file that it cannot read.
    const bare = await outcomeOf(start(process.execPath, ['-e', '0'], { env: { ...process.env, ...env } }));
    expect(bare.err).toContain('extra certs');
    expect(await directly(['--version'], { env })).toMatchObject({ code: 0, err: '' });
  });

  it.skipIf(missingNamespaces() !== undefined).each([undefined, CERTIFICATES])(
    'gives programs that it starts their environment unchanged (certificates: %s)',
    async (certificates) => {
      const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
      const env = certificates === undefined ? rest : { ...rest, NODE_EXTRA_CA_CERTS: certificates };
      const argv = ['lab', 'run', 'close-wait-eof-unread', '--', process.execPath, '-e', PRINT_ENVIRONMENT];
      const { out } = await outcomeOf(start(COMMAND, argv, { env }));
      expect(JSON.parse(out)).toEqual(expect.objectContaining(env));
      expect(JSON.parse(out).NODE_EXTRA_CA_CERTS).toBe(certificates);
      expect(Object.keys(JSON.parse(out)).filter((name) => name.startsWith('LASTACK_'))).toEqual([]);
    },
  );

  it('has a program of its own for each command, which says the same as the whole', async () => {
    const help = (await directly(['--help'])).out;
    const words = [...help.matchAll(/^ {2}([a-z]+)(?= |$)/gm)]
      .map(([, word]) => word)
      .filter((word) => word !== 'help');
    expect(words.length).toBeGreaterThan(10);
    const programs = readdirSync(DIST).filter((name) => /^[a-z]+\.cjs$/.test(name));
    expect(programs.sort()).toEqual([...words, 'doctor', 'lastack'].map((word) => `${word}.cjs`).sort());
    for (const word of words) {
      // `help WORD` is a matter for the whole program.
      expect([word, (await directly([word, '--help'])).out]).toEqual([word, (await directly(['help', word])).out]);
      const { code, err } = await directly([word, '--no-such-option']);
      expect([word, code, err]).toEqual([word, 2, expect.stringContaining('--no-such-option')]);
    }
  });

  it.each([['doctor'], ['lastack'], ['constructor'], ['lab-actor'], ['../dist/ls'], ['LS']])(
    '%j is no command, whatever files there are',
    async (word) => {
      const { code, err } = await directly([word]);
      expect([code, err]).toEqual([2, expect.stringMatching(/^lastack: there is no command /)]);
    },
  );
});
