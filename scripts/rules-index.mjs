// `npm run docs`: writes docs/rules/README.md, the index of the pages beside it. With --check it only compares.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './lib/steps.mjs';

const folder = path.join(root, 'docs/rules');
const file = path.join(folder, 'README.md');

/** In the order of a connection's life backwards: closing states first, since they are why people look. */
const GROUPS = [
  ['FIN_WAIT1', /^fin-wait-1-/],
  ['FIN_WAIT2', /^fin-wait-2-/],
  ['CLOSE_WAIT', /^close-wait-/],
  ['LAST_ACK and CLOSING', /^(last-ack|closing)-/],
  ['ESTABLISHED', /^established-/],
  ['Opening and listening', /^(syn-|listen-)/],
  ['Limits', /^(time-wait|orphan)-/],
  ['Connection tracking', /^conntrack-/],
];

/** The beginning of a page's first section: a sentence, or two where the first is short. */
function gist(page) {
  const meaning = page
    .split(/^## .*$/m)[1]
    ?.trim()
    .replaceAll('\n', ' ');
  const gist = meaning && /^(.{60,}?|.*)[.:](?=\s|$)/.exec(meaning)?.[0];
  if (!gist) throw new Error('a page that does not begin with a sentence on what it means');
  return gist.replace(/:$/, '.');
}

function index() {
  const names = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  const lines = ['# Rules', ''];
  lines.push('A rule recognises one kind of trouble. Its name stands in the last line of each finding. One page each:');
  const placed = new Set();
  for (const [title, pattern] of GROUPS) {
    const pages = names.filter((each) => pattern.test(each)).sort();
    if (pages.length > 0) lines.push('', `## ${title}`, '');
    for (const name of pages) {
      const page = readFileSync(path.join(folder, name), 'utf8');
      lines.push(`- [${name.replace(/\.md$/, '')}](${name}): ${gist(page)}`);
      placed.add(name);
    }
  }
  const lost = names.filter((name) => !placed.has(name));
  if (lost.length > 0) throw new Error(`no group for ${lost.join(', ')}: add one to scripts/rules-index.mjs`);
  return `${lines.join('\n')}\n`;
}

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== index()) {
    process.stderr.write('docs/rules/README.md is not what the pages say; run: npm run docs\n');
    process.exitCode = 1;
  }
} else writeFileSync(file, index());
