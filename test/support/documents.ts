import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { COMMAND, ROOT } from './command.ts';

/** The texts of a Markdown document's code blocks of one language. */
export function blocksOf(file: string, language: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, marked, block]) =>
    marked === language ? [block] : [],
  );
}

/** The commands of a shell block: one a line, or the whole block where it holds a here-document. */
export function commandsOf(block: string): string[] {
  if (block.includes('<<')) return [block];
  return block.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

export interface Shell {
  folder: string;
  env: NodeJS.ProcessEnv;
  remove(): void;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * A folder to work in, and a PATH on which `lastack`, `npx lastack` and `npm start --` are the built command. npm installs and
 * tests nothing there: of its scripts it only says whether they exist; `npx vitest run FILE` whether the file does.
 */
export function documentShell(): Shell {
  const folder = mkdtempSync(path.join(tmpdir(), 'lastack-documents-'));
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  const lastack = `exec ${quoted(process.execPath)} ${quoted(COMMAND)} "$@"`;
  const manifest = quoted(path.join(ROOT, 'package.json'));
  const programs = {
    lastack,
    npx: `case $1 in
      lastack) shift; ${lastack} ;;
      vitest) test -e ${quoted(ROOT)}/"$3"; exit ;;
    esac; exit 2`,
    npm: `case $1 in
      start) shift; if [ "$1" = -- ]; then shift; fi; ${lastack} ;;
      test) grep -q '"test":' ${manifest}; exit ;;
      run) grep -q "\\"$2\\":" ${manifest}; exit ;;
    esac; exit 2`,
  };
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(bin, name), 0o755);
  }
  return {
    folder,
    // What a command changes in the lab is not to stand in this host's journal.
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, XDG_STATE_HOME: path.join(folder, 'state') },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
