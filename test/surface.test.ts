import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './support/command.ts';
import { importsOf, repositoryFiles, type Source, sourcesOf, withoutComments } from './support/sources.ts';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const readJson = (file: string) => JSON.parse(read(file));

/** The arrows of ARCHITECTURE.md: what each package may import besides its own files and Node. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ['ipaddr.js'],
  kernel: ['@lastack/core', 'koffi'],
  lab: ['@lastack/core', '@lastack/kernel', 'koffi'],
  lastack: ['@lastack/core', '@lastack/kernel', '@lastack/lab', 'commander', 'koffi'],
};
const PACKAGES = Object.keys(MAY_IMPORT);

/** Only the generator of the JSON Schemas and the tests load these, and only they may load zod. */
const SCHEMA_SOURCES = [
  'packages/lastack/src/report/advice_schemas.ts',
  'packages/lastack/src/report/block_schemas.ts',
  'packages/lastack/src/report/port_schemas.ts',
  'packages/lastack/src/report/retune_schema.ts',
  'packages/lastack/src/report/schema_parts.ts',
  'packages/lastack/src/report/schemas.ts',
  'packages/lastack/src/report/tune_schemas.ts',
];

/** Sources (or folders of them) outside kernel and lab that touch the machine themselves, each with the reason. */
const MAY_USE_FILES_OR_PROGRAMS: readonly string[] = [
  'packages/lastack/src/main.ts', // writes to the standard streams
  'packages/lastack/src/engine/filter_context.ts', // inode number of a cgroup's directory
  'packages/lastack/src/journal/', // what lastack changed, kept on disk
  'packages/lastack/src/remedies/', // means of clearing: they act on the host
  'packages/lastack/src/lab/run_scenario.ts', // runs the user's command in the lab
];

const all = (): Source[] => PACKAGES.flatMap(sourcesOf);

/** `file: what` for each find, so that a failure says where. */
function offences(sources: readonly Source[], find: (source: Source) => readonly string[]): string[] {
  return sources.flatMap((source) => find(source).map((what) => `${source.file}: ${what}`));
}

function uses(pattern: RegExp): (source: Source) => string[] {
  return ({ text }) => withoutComments(text).match(pattern) ?? [];
}

describe('packages', () => {
  it('are those of the picture', () => {
    expect(readdirSync(path.join(ROOT, 'packages')).sort()).toEqual([...PACKAGES].sort());
  });

  it.each(PACKAGES)('%s imports nothing against the arrows', (name) => {
    const allowed = MAY_IMPORT[name];
    const node = name === 'core' ? [] : ['node:'];
    const wrong = offences(sourcesOf(name), ({ file, imports }) =>
      imports.filter((target) => {
        if (target.startsWith('.')) return false;
        if (target === 'zod') return !SCHEMA_SOURCES.includes(file);
        return !allowed.includes(target) && !node.some((prefix) => target.startsWith(prefix));
      }),
    );
    expect(wrong).toEqual([]);
  });

  it.each(PACKAGES)('%s stays inside its own folder with relative imports, and names the file', (name) => {
    const folder = path.join(ROOT, 'packages', name, 'src') + path.sep;
    const wrong = offences(sourcesOf(name), ({ file, imports }) =>
      imports.filter((target) => {
        if (!target.startsWith('.')) return false;
        const resolved = path.resolve(ROOT, path.dirname(file), target);
        return !target.endsWith('.ts') || !resolved.startsWith(folder) || !existsSync(resolved);
      }),
    );
    expect(wrong).toEqual([]);
  });

  it.each(PACKAGES)('%s declares what it imports, and no package from elsewhere besides', (name) => {
    const declared = Object.keys(readJson(`packages/${name}/package.json`).dependencies ?? {});
    const imported = new Set(sourcesOf(name).flatMap(({ imports }) => imports));
    const outside = [...imported].filter((target) => !/^(\.|node:|zod$)/.test(target));
    if (name === 'lastack') {
      // The command is one bundle: what it takes from the workspace is inside, but koffi's binary stays outside.
      expect(declared.sort()).toEqual([...outside.filter((target) => !target.startsWith('@lastack/')), 'koffi'].sort());
      return;
    }
    expect(outside.filter((target) => !declared.includes(target))).toEqual([]);
    expect(declared.filter((target) => !target.startsWith('@lastack/') && !imported.has(target))).toEqual([]);
  });

  it('the schema sources are loaded by nothing that is bundled', () => {
    const wrong = offences(all(), ({ file, imports }) =>
      SCHEMA_SOURCES.includes(file) ? [] : imports.filter((target) => /schema_parts|schemas?\.ts$/.test(target)),
    );
    expect(wrong).toEqual([]);
  });

  it('the reader of import statements sees every kind', () => {
    const text = [
      "import a from 'one';",
      "import {\n  type B,\n} from 'two';",
      "import 'three';",
      "export * from 'four';",
      "const e = await import('five');",
      "const from = require('six');",
    ].join('\n');
    expect(importsOf(text).sort()).toEqual(['five', 'four', 'one', 'six', 'three', 'two']);
  });
});

describe('effects', () => {
  it('core has no clock, no chance, no process and no output', () => {
    const pattern =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.\w+|\bperformance\.|\bsetTimeout\b|\bsetInterval\b|\bconsole\./g;
    expect(offences(sourcesOf('core'), uses(pattern))).toEqual([]);
  });

  it('only the entry points touch arguments, exit and the standard streams', () => {
    const sources = all().filter(
      ({ file }) => file !== 'packages/lastack/src/main.ts' && !file.startsWith('packages/lab/src/actor/'),
    );
    const found = offences(sources, uses(/\bprocess\.(argv|exit|exitCode|env|stdin|stdout|stderr)\b/g));
    // An ordinary user's `lab run` starts the very same program once more, in a user namespace.
    expect(found).toEqual(['packages/lastack/src/lab/run_scenario.ts: process.argv']);
  });

  it('nothing prints behind the back of main.ts', () => {
    expect(offences(all(), uses(/\bconsole\.\w+/g))).toEqual([]);
  });

  it('only kernel, lab and a short list use files and programs', () => {
    const wrong = all()
      .filter(({ file }) => /^packages\/(core|lastack)\//.test(file))
      .filter(({ imports }) => imports.some((target) => /^node:(fs|fs\/promises|child_process)$/.test(target)))
      .map(({ file }) => file)
      .filter((file) => !MAY_USE_FILES_OR_PROGRAMS.some((allowed) => file.startsWith(allowed)));
    expect(wrong).toEqual([]);
  });

  it('bytes are decoded, and values rendered, without any input or output', () => {
    const pure = all().filter(({ file }) => /^packages\/(kernel\/src\/wire|lastack\/src\/cli\/render)\//.test(file));
    expect(pure.length).toBeGreaterThan(10);
    expect(offences(pure, ({ imports }) => imports.filter((target) => target.startsWith('node:')))).toEqual([]);
  });

  it('no program is started through a shell', () => {
    const pattern = /\bshell:\s*true\b|\bexecSync\(|\bexec\(\s*[`'"]/g;
    expect(offences(all(), uses(pattern))).toEqual([]);
  });
});

describe('repository', () => {
  it('is about nothing but the project: no path of the machine it was made on, no registry host', () => {
    // Written so that this file, which is searched as well, does not match.
    const forbidden = [
      /[/]work[/]/,
      /[.][.][/]shared[/](hooks|[A-Z])/,
      /registry[.](npmjs|yarnpkg)/,
      /npm[.]pkg[.]github/,
      /"resolved": "[h]ttp/,
    ];
    const wrong = repositoryFiles().flatMap((file) => {
      if (!existsSync(path.join(ROOT, file))) return [];
      const text = read(file);
      return forbidden.filter((pattern) => pattern.test(text)).map((pattern) => `${file}: ${pattern}`);
    });
    expect(wrong).toEqual([]);
  });

  it('docs/rules/README.md lists every rule (else: npm run docs)', () => {
    const pages = readdirSync(path.join(ROOT, 'docs/rules')).filter((name) => name !== 'README.md');
    const index = read('docs/rules/README.md');
    expect(pages.filter((page) => !index.includes(`](${page})`))).toEqual([]);
    execFileSync(process.execPath, ['scripts/rules-index.mjs', '--check'], { cwd: ROOT, stdio: 'pipe' });
  });

  it('links between the documents lead somewhere', () => {
    const documents = repositoryFiles().filter((file) => file.endsWith('.md') && existsSync(path.join(ROOT, file)));
    expect(documents).toContain('README.md');
    const broken = documents.flatMap((file) =>
      [...withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
        if (/^(https?:|#)/.test(link)) return [];
        const [target] = link.split('#');
        return existsSync(path.resolve(ROOT, path.dirname(file), target)) ? [] : [`${file}: ${link}`];
      }),
    );
    expect(broken).toEqual([]);
  });
});

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
}

interface LockedPackage {
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  engines?: { node?: string };
  optional?: boolean;
  version: string;
}

describe('dependencies', () => {
  const locked: Record<string, LockedPackage> = readJson('package-lock.json').packages;
  const installed = Object.entries(locked).filter(([name]) => name.startsWith('node_modules/'));

  /** Where a binary comes in a package of its own, the install script of the main one has nothing left to do. */
  const BINARY_BESIDE: Readonly<Record<string, string>> = {
    'node_modules/esbuild': `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`,
    'node_modules/koffi': `node_modules/@koromix/koffi-linux-${process.arch}`,
  };

  it('need no install script: npm is told not to run any', () => {
    const scripted = installed.filter(([, { hasInstallScript }]) => hasInstallScript);
    // fsevents is for macOS and never installed here.
    const names = scripted.map(([name]) => name).filter((name) => !name.endsWith('/fsevents'));
    expect(names.sort()).toEqual(Object.keys(BINARY_BESIDE).sort());
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
  });

  it('are all in the lock file, also those of other machines: npm ci refuses it otherwise', () => {
    const missing = installed.flatMap(([name, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((wanted) => !(`node_modules/${wanted}` in locked) && !(`${name}/node_modules/${wanted}` in locked))
        .map((wanted) => `${name}: ${wanted}`),
    );
    expect(missing).toEqual([]);
  });

  it('carry their binaries for this processor inside their packages', () => {
    for (const place of Object.values(BINARY_BESIDE)) expect(existsSync(path.join(ROOT, place))).toBe(true);
    const koffi = path.join(ROOT, BINARY_BESIDE['node_modules/koffi']);
    const files = readdirSync(koffi, { recursive: true, encoding: 'utf8' });
    expect(files.some((file) => file.endsWith('.node'))).toBe(true);
  });

  it('run on the oldest Node that the packages promise', () => {
    const promised = '>=20.19';
    expect(readJson('package.json').engines.node).toBe(promised);
    expect(readJson('packages/lastack/package.json').engines.node).toBe(promised);
    const wrong = installed
      .filter(([, { engines, optional }]) => engines?.node !== undefined && !optional)
      .filter(([, { engines }]) => !admits(engines!.node!, [20, 19, 0]))
      .map(([name, { engines }]) => `${name}: ${engines?.node}`);
    expect(wrong).toEqual([]);
  });

  it.each([
    ['>=20.19', true],
    ['>= 10', true],
    ['^20.19.0 || >=22.12.0', true],
    ['^10 || ^12 || ^13.7', false],
    ['^20.20.0', false],
    ['>=22', false],
  ])('a range of versions is understood: %s', (range, expected) => {
    expect(admits(range, [20, 19, 0])).toBe(expected);
  });
});

type Version = readonly [number, number, number];

/** Whether a range of the forms `>=A.B.C`, `^A.B.C` and `… || …` admits a version; throws on any other form. */
function admits(range: string, version: Version): boolean {
  return range.split('||').some((part) => {
    const match = /^(>=|\^)\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(part.trim());
    if (!match) throw new Error(`a range of versions that this test does not understand: ${range}`);
    const [, operator, ...numbers] = match;
    const least = numbers.map((number) => Number(number ?? 0));
    const difference = version.map((number, index) => number - least[index]).find((each) => each !== 0) ?? 0;
    return difference >= 0 && (operator === '>=' || version[0] === least[0]);
  });
}
