// `npm run schemas`: writes the JSON Schemas of all documents from their one source, src/report/schemas.ts.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, root } from './lib/steps.mjs';

install();
const { build } = await import('esbuild');
const module = path.join(root, 'node_modules/.cache/lastack-schemas/schemas.mjs');
await build({
  absWorkingDir: root,
  entryPoints: ['packages/lastack/src/report/schemas.ts'],
  outfile: module,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  external: ['zod'],
  logLevel: 'warning',
});
const { DOCUMENTS, schemaFile, schemaText } = await import(pathToFileURL(module));
const folder = path.join(root, 'packages/lastack/schemas');
mkdirSync(folder, { recursive: true });
for (const name of Object.keys(DOCUMENTS)) {
  const file = path.join(folder, schemaFile(name));
  writeFileSync(file, schemaText(name));
  process.stdout.write(`${path.relative(root, file)}\n`);
}
