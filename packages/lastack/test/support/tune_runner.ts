/**
 * `tune-runner.cjs WHERE NAME=VALUE…` sets as `lastack tune set --persist` does, and kills itself without a word:
 * `first` after the first value was written, `all` when all are, `end` before the end of the entry is.
 */
import type { Effects } from '../../src/effects.ts';
import { applySet } from '../../src/engine/tune/apply_set.ts';
import { planSet } from '../../src/engine/tune/plan_set.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { openJournal } from '../../src/journal/open.ts';
import { capturedEffects } from './effects.ts';

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

const [where, ...words] = process.argv.slice(2);
const effects = capturedEffects([], { env: process.env });
const plan = planSet(effects, { words, persist: true, force: false });
const journal = openJournal(effects);

let isBegun = false;
let writes = 0;
/** Each value is written through one look at procRoot; the file is written after one look at the time. */
const deadly: Effects = {
  ...effects,
  get procRoot() {
    if (isBegun && where === 'first' && writes++ === 1) die();
    return effects.procRoot;
  },
  now() {
    if (isBegun && where === 'all') die();
    return effects.now();
  },
};
const watched: Journal = {
  ...journal,
  path: journal.path,
  begin(draft) {
    const id = journal.begin(draft);
    isBegun = true;
    return id;
  },
  end(id, draft) {
    if (where === 'end') die();
    journal.end(id, draft);
  },
};
applySet(deadly, watched, plan, '/');
