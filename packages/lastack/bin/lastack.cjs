#!/usr/bin/env node
'use strict';
try {
  require('../dist/lastack.cjs');
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND' || !String(error.message).includes('lastack.cjs')) throw error;
  process.stderr.write('lastack is not built yet: run `npm run build` in its source folder\n');
  process.exitCode = 3;
}
