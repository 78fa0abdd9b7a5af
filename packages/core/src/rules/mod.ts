import type { Rule } from '../finding.ts';
import { closeWaitCloseForgotten } from './close-wait-close-forgotten.ts';
import { closeWaitDataUnread } from './close-wait-data-unread.ts';
import { closeWaitEofUnread } from './close-wait-eof-unread.ts';
import { closeWaitUnaccepted } from './close-wait-unaccepted.ts';
import { closingBlackhole } from './closing-blackhole.ts';
import { conntrackExpiresFirst } from './conntrack-expires-first.ts';
import { conntrackMissing } from './conntrack-missing.ts';
import { establishedBlackhole } from './established-blackhole.ts';
import { establishedZeroWindow } from './established-zero-window.ts';
import { finWait1Blackhole } from './fin-wait-1-blackhole.ts';
import { finWait1Immortal } from './fin-wait-1-immortal.ts';
import { finWait1ZeroWindow } from './fin-wait-1-zero-window.ts';
import { finWait2Held } from './fin-wait-2-held.ts';
import { finWait2Orphans } from './fin-wait-2-orphans.ts';
import { lastAckBlackhole } from './last-ack-blackhole.ts';
import { lastAckZeroWindow } from './last-ack-zero-window.ts';
import { listenQueueFull } from './listen-queue-full.ts';
import { orphanPressure } from './orphan-pressure.ts';
import { synRecvPileup } from './syn-recv-pileup.ts';
import { synSentUnanswered } from './syn-sent-unanswered.ts';
import { timeWaitOverflow } from './time-wait-overflow.ts';
import { timeWaitPortPressure } from './time-wait-port-pressure.ts';

/** Every rule, in the order of a connection's life backwards: closing states first, since they are why people look. */
export const RULES: readonly Rule[] = [
  finWait1Blackhole,
  finWait1ZeroWindow,
  finWait1Immortal,
  finWait2Held,
  finWait2Orphans,
  closeWaitEofUnread,
  closeWaitDataUnread,
  closeWaitCloseForgotten,
  closeWaitUnaccepted,
  lastAckBlackhole,
  lastAckZeroWindow,
  closingBlackhole,
  establishedBlackhole,
  establishedZeroWindow,
  synSentUnanswered,
  synRecvPileup,
  listenQueueFull,
  timeWaitPortPressure,
  timeWaitOverflow,
  conntrackMissing,
  conntrackExpiresFirst,
  orphanPressure,
];
export { forecastInputOf } from './shared/forecast_input.ts';
export { createMemo } from './shared/memo.ts';
