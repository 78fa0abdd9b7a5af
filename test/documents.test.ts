import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DOCUMENTS, type DocumentName } from '../packages/lastack/src/report/schemas.ts';
import { ensureBuilt, ROOT, run } from './support/command.ts';
import { blocksOf, commandsOf, documentShell } from './support/documents.ts';
import { mayUseLab } from './support/privileged.ts';

const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(path.join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].filter((file) => existsSync(path.join(ROOT, file)));

const COMMANDS = PAGES.flatMap((page) =>
  blocksOf(page, 'sh')
    .flatMap(commandsOf)
    .map((command) => ({ page, command })),
);

/** Something stuck or nothing found are answers. A wrong command line (2) is a mistake of the document. */
const ANSWERS = [0, 1, 4];

describe('commands in the documents', { timeout: 120_000 }, () => {
  const shell = documentShell();
  beforeAll(ensureBuilt);
  afterAll(shell.remove);

  it('are found', () => {
    expect(COMMANDS.filter(({ page }) => page === 'README.md').length).toBeGreaterThan(8);
  });

  const inLab = ({ command }: { command: string }) => command.includes('lab run');
  const runnable = mayUseLab() ? COMMANDS : COMMANDS.filter((each) => !inLab(each));

  it.each(runnable)('$page: $command', async ({ command }) => {
    const { code, err } = await run('sh', ['-c', command], { limitMs: 100_000, cwd: shell.folder, env: shell.env });
    expect(ANSWERS, err).toContain(code);
  });
});

describe('JSON in the documents', () => {
  const examples = PAGES.flatMap((page) =>
    blocksOf(page, 'json').map((text) => ({ page, document: JSON.parse(text) })),
  );

  it.each(examples)('$page: $document.schema is what the schema allows', ({ document }) => {
    const result = DOCUMENTS[document.schema as DocumentName].schema.safeParse(document);
    expect(result.success ? '' : z.prettifyError(result.error)).toBe('');
  });

  it('show every document, but the one that is a list of another', () => {
    const shown = examples.map(({ document }) => document.schema);
    const every = Object.keys(DOCUMENTS).filter((name) => name !== 'lastack.states/1');
    expect([...new Set(shown)].sort()).toEqual(every.sort());
  });
});
