#!/bin/sh
true /*; export LASTACK_KEPT_CERTS="$NODE_EXTRA_CA_CERTS"; unset NODE_EXTRA_CA_CERTS; exec node "$0" "$@" # */;
// The second line is for sh, and nearly all a comment to Node. With NODE_EXTRA_CA_CERTS in its environment Node reads every
// certificate of the system before it runs anything, which takes longer than the rest of its start, and lastack speaks to
// nobody by TLS. What it starts itself gets the variable back.
//
// Runs the bundle from V8's code cache, which saves compiling it at every start. The cache is only ever a shortcut:
// where it is missing, or was made by another version of Node, V8 compiles the text as usual.
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

if (process.env.LASTACK_KEPT_CERTS) process.env.NODE_EXTRA_CA_CERTS = process.env.LASTACK_KEPT_CERTS;
delete process.env.LASTACK_KEPT_CERTS;

const words = process.argv.slice(2);
const isDoctor = words.every((word) => /^(--json|--own-netns|--interval=.*)$/.test(word));
const name = isDoctor ? 'doctor' : words[0];

// A program for each command: reading what only others need would take longer than much of what they do. The whole program
// is for everything else, which may need to know what commands there are.
const whole = path.join(__dirname, '../dist/lastack.cjs');
const alone = /^[a-z]+$/.test(name) ? path.join(__dirname, `../dist/${name}.cjs`) : whole;

function read(name, encoding) {
  try {
    return fs.readFileSync(name, encoding);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  }
}

// The build sees to it that there is nothing but ASCII in it, which is read several times as fast.
let file = alone;
let source = read(file, 'latin1');
if (source === undefined) {
  file = whole;
  source = read(file, 'latin1');
}
const cache = `${file}.cache`;
if (source === undefined) {
  process.stderr.write('lastack is not built yet: run `npm run build` in its source folder\n');
  process.exitCode = 3;
} else {
  const script = new vm.Script(`(function (require, __filename, __dirname) {${source}\n})`, {
    filename: file,
    cachedData: read(cache),
  });
  if (process.env.LASTACK_CODE_CACHE === 'write') {
    // Written on the way out: functions that this run has used are in it, compiled.
    process.on('exit', () => fs.writeFileSync(cache, script.createCachedData()));
  }
  script.runInThisContext()(require, file, path.dirname(file));
}
