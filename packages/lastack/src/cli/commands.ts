// Every command, by its word. The build also makes a program of each alone, which starts faster (scripts/build.mjs): it reads
// the line here that names it.
export { blockCommand as block } from './commands/block.ts';
export { clearCommand as clear } from './commands/clear.ts';
export { doctorCommand as doctor } from './commands/doctor.ts';
export { explainCommand as explain } from './commands/explain.ts';
export { journalCommand as journal } from './commands/journal.ts';
export { labCommand as lab } from './commands/lab.ts';
export { listCommand as ls } from './commands/list.ts';
export { portCommand as port } from './commands/port.ts';
export { retuneCommand as retune } from './commands/retune.ts';
export { tuneCommand as tune } from './commands/tune.ts';
export { undoCommand as undo } from './commands/undo.ts';
export { whyCommand as why } from './commands/why.ts';
