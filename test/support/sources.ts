import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './command.ts';

export interface Source {
  /** Path from the root of the repository. */
  file: string;
  text: string;
  /** What its import and export statements name, as written. */
  imports: readonly string[];
}

/** `import … from`, `export … from`, `import '…'`, `import('…')`, require, createRequire. A statement may span lines. */
const STATEMENTS = [
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bcreateRequire\([^)]*\)\(\s*['"]([^'"]+)['"]/g,
  /\b(?:import|require|require\.resolve)\s*\(\s*['"]([^'"]+)['"]/g,
];

export function importsOf(text: string): string[] {
  return STATEMENTS.flatMap((statement) => [...text.matchAll(statement)].map(([, name]) => name));
}

/** TypeScript sources of one package without their tests, and without what only tests use. */
export function sourcesOf(name: string): Source[] {
  const folder = path.join(ROOT, 'packages', name, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/\.test\.ts$/.test(file))
    .sort()
    .map((file) => {
      const text = readFileSync(path.join(folder, file), 'utf8');
      return { file: `packages/${name}/src/${file}`, text, imports: importsOf(text) };
    });
}

/** Files that are tracked, or would be once added. */
export function repositoryFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return list.split('\0').filter((file) => file !== '');
}

/** The source without comments, roughly: enough to search for names of functions. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}
