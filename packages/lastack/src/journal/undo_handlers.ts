import { BLOCK_UNDO } from '../remedies/block/undo.ts';
import { RETUNE_ACTION } from './retune_change.ts';
import { RETUNE_UNDO } from './retune_undo.ts';
import { SYSCTL_UNDO } from './sysctl_undo.ts';
import type { UndoHandlers } from './undo_handler.ts';

/** By action. What is not listed cannot be undone. */
export const UNDO_HANDLERS: UndoHandlers = {
  block: BLOCK_UNDO,
  [RETUNE_ACTION]: RETUNE_UNDO,
  sysctl: SYSCTL_UNDO,
  'sweep-orphans': SYSCTL_UNDO,
};
