#!/bin/sh
true /*; export LASTACK_KEPT_CERTS="${NODE_EXTRA_CA_CERTS-}"; unset NODE_EXTRA_CA_CERTS; exec node "$0" "$@" # */;
// The second line is for sh, and nearly all a comment to Node. With NODE_EXTRA_CA_CERTS in its environment Node reads every
// certificate of the system before it runs anything, which takes longer than the rest of its start, and lastack speaks to
// nobody by TLS. What it starts itself gets the variable back. (Variables whose names sh cannot have may be lost on the way.)
//
// Runs the bundle from V8's code cache, which saves compiling it at every start. The cache is only ever a shortcut:
// where it is missing, or was made by another version of Node, V8 compiles the text as usual.
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

if (process.env.LASTACK_KEPT_CERTS) process.env.NODE_EXTRA_CA_CERTS = process.env.LASTACK_KEPT_CERTS;
delete process.env.LASTACK_KEPT_CERTS;

// A program for each command: reading what only others need would take longer than much of what they do. The whole program
// is for everything else, which may need to know what commands there are. The doctor has no word of its own.
const dist = path.join(__dirname, '../dist');
const words = process.argv.slice(2);
let program = 'lastack';
if (words.every((word) => /^(--json|--own-netns|--interval=.*)$/.test(word))) program = 'doctor';
else if (/^[a-z]+$/.test(words[0]) && words[0] !== 'doctor') program = words[0];

function read(name, encoding) {
  try {
    return fs.readFileSync(name, encoding);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  }
}

// The build sees to it that there is nothing but ASCII in it, which is read several times as fast.
let file = path.join(dist, `${program}.cjs`);
let source = read(file, 'latin1');
if (source === undefined) {
  file = path.join(dist, 'lastack.cjs');
  source = read(file, 'latin1');
}
if (source === undefined) {
  process.stderr.write('lastack is not built yet: run `npm run build` in its source folder\n');
  process.exitCode = 3;
} else {
  const script = new vm.Script(`(function (require, __filename, __dirname) {${source}\n})`, {
    filename: file,
    cachedData: read(`${file}.cache`),
  });
  if (process.env.LASTACK_CODE_CACHE === 'write') {
    // Written on the way out: functions that this run has used are in it, compiled.
    process.on('exit', () => fs.writeFileSync(`${file}.cache`, script.createCachedData()));
  }
  script.runInThisContext()(require, file, path.dirname(file));
}
