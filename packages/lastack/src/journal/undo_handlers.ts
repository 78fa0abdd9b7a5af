import { BLOCK_UNDO } from '../remedies/block/undo.ts';
import { SYSCTL_UNDO } from './sysctl_undo.ts';
import type { UndoHandlers } from './undo_handler.ts';

/** By action. What is not listed cannot be undone. */
export const UNDO_HANDLERS: UndoHandlers = {
  block: BLOCK_UNDO,
  sysctl: SYSCTL_UNDO,
  'sweep-orphans': SYSCTL_UNDO,
};
