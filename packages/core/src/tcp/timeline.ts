import type { SocketKind } from './kind.ts';
import type { StateName } from './states.ts';

/** One connection as it looks from here. Only `state` is needed; what is not known stays absent. */
export interface CloseView {
  state: StateName;
  kind?: SocketKind;
  /** State of the other end where it is visible; `gone` when its host is visible and has no such socket. */
  peerState?: StateName | 'gone';
  /** Bytes not acknowledged; an unacknowledged FIN counts as one. */
  sendQueueBytes?: number;
  /** Bytes not read; a received FIN counts as one. */
  receiveQueueBytes?: number;
  /** Bytes never sent yet (tcpi_notsent_bytes); an unsent FIN counts as one. */
  notSentBytes?: number;
  /** The zero-window probe timer runs: the peer's window is shut and nothing is in flight. */
  probing?: boolean;
}

export type CloseStepId =
  | 'local close'
  | 'local FIN'
  | 'ACK of local FIN'
  | 'peer close'
  | 'peer FIN'
  | 'ACK of peer FIN';

/**
 * What became of a segment.
 * - `arrived`: the receiving end's state shows it
 * - `lost`: it was sent, and the receiving end's state shows that it has not come (so far)
 * - `unsure`: sent from here; the other end cannot be seen
 * - `unseen`: it has not come here; whether it was sent cannot be seen
 * - `unsent`: not sent yet
 */
export type Fate = 'arrived' | 'lost' | 'unsure' | 'unseen' | 'unsent';

export interface CloseStep {
  id: CloseStepId;
  /** The step in words (`FIN sent`). */
  step: string;
  /** The end whose act it is. */
  by: 'local' | 'peer';
  done: boolean | 'unknown';
  /** The one step that everything waits for. */
  missing?: true;
  note?: string;
  /** For steps that are a segment: what it is and what became of it. */
  segment?: { name: 'FIN' | 'ACK'; fate: Fate };
}

const STARTED_CLOSING: readonly string[] = ['FIN_WAIT1', 'FIN_WAIT2', 'CLOSING', 'TIME_WAIT', 'LAST_ACK'];
const FIN_ARRIVED: readonly string[] = ['CLOSE_WAIT', 'LAST_ACK', 'CLOSING', 'TIME_WAIT'];
const FIN_ACKED: readonly string[] = ['FIN_WAIT2', 'TIME_WAIT'];
const OPENED: readonly string[] = ['ESTABLISHED', ...STARTED_CLOSING, 'CLOSE_WAIT'];

/** What a state says about the end that is in it; undefined when that end cannot be seen (or tells nothing). */
interface EndFacts {
  closed?: boolean;
  gotFin?: boolean;
  finAcked?: boolean;
}

function factsOf(state: string | undefined): EndFacts {
  if (state === undefined || !OPENED.includes(state)) return {};
  return {
    closed: STARTED_CLOSING.includes(state),
    gotFin: FIN_ARRIVED.includes(state),
    finAcked: FIN_ACKED.includes(state),
  };
}

/** Whether our FIN has been on the wire. A FIN queued behind data that the peer does not take has not. */
function localFinSent({ sendQueueBytes, notSentBytes, probing }: CloseView, facts: EndFacts): boolean | 'unknown' {
  if (!facts.closed) return false;
  if (facts.finAcked) return true;
  if (notSentBytes !== undefined) return notSentBytes === 0;
  if (probing) return false;
  if (sendQueueBytes === undefined || sendQueueBytes === 1) return true;
  return 'unknown';
}

function localFinNote(view: CloseView, sent: boolean | 'unknown'): string | undefined {
  const { sendQueueBytes: queue } = view;
  if (sent === true || queue === undefined) return sent === false ? 'it waits behind data' : undefined;
  if (queue === 0) return 'nothing is queued any more, not even the FIN';
  const behind = queue > 1 ? `${queue - 1} bytes of data` : 'data';
  if (sent === 'unknown') return `it is queued behind ${behind}; whether it was sent cannot be told`;
  return `it waits behind ${behind}${view.probing ? ', and the peer has shut its window' : ''}`;
}

function localFinFate(sent: boolean | 'unknown', here: EndFacts, there: EndFacts): Fate {
  if (sent === false) return 'unsent';
  if (here.finAcked || there.gotFin) return 'arrived';
  return sent === true && there.gotFin === false ? 'lost' : 'unsure';
}

function localAckFate(finFate: Fate, here: EndFacts): Fate {
  if (here.finAcked) return 'arrived';
  if (finFate === 'arrived') return 'lost';
  return finFate === 'unsure' ? 'unseen' : 'unsent';
}

function peerFinFate(here: EndFacts, there: EndFacts): Fate {
  if (here.gotFin) return 'arrived';
  if (there.closed === undefined) return 'unseen';
  return there.closed ? 'lost' : 'unsent';
}

function peerAckFate(here: EndFacts, there: EndFacts): Fate {
  if (!here.gotFin) return 'unsent';
  if (there.finAcked === undefined || !there.closed) return 'unsure';
  return there.finAcked ? 'arrived' : 'lost';
}

type Order = readonly CloseStepId[];
const LOCAL_FIRST: Order = [
  'local close',
  'local FIN',
  'ACK of local FIN',
  'peer close',
  'peer FIN',
  'ACK of peer FIN',
];
const PEER_FIRST: Order = ['peer close', 'peer FIN', 'ACK of peer FIN', 'local close', 'local FIN', 'ACK of local FIN'];
const TOGETHER: Order = ['local close', 'peer close', 'local FIN', 'peer FIN', 'ACK of peer FIN', 'ACK of local FIN'];

function orderOf({ state, peerState }: CloseView): Order {
  if (state === 'ESTABLISHED' || state === 'CLOSE_WAIT' || state === 'LAST_ACK') return PEER_FIRST;
  const bothClosing = peerState === 'FIN_WAIT1' || peerState === 'CLOSING';
  return state === 'CLOSING' || (state === 'FIN_WAIT1' && bothClosing) ? TOGETHER : LOCAL_FIRST;
}

/** The step everything waits for, from the state here and, where it is visible, the state there. */
function missingOf({ state }: CloseView, finSent: boolean | 'unknown', there: EndFacts): CloseStepId | undefined {
  switch (state) {
    case 'FIN_WAIT1':
    case 'CLOSING':
    case 'LAST_ACK':
      return finSent === false ? 'local FIN' : 'ACK of local FIN';
    case 'FIN_WAIT2':
      return there.closed === false ? 'peer close' : 'peer FIN';
    case 'CLOSE_WAIT':
      return 'local close';
    case 'ESTABLISHED':
      return 'peer FIN';
    default:
      return undefined;
  }
}

function closeNote(view: CloseView): string | undefined {
  if (view.state !== 'CLOSE_WAIT') return undefined;
  if (view.kind === 'unaccepted') return 'the program has not accepted the connection yet';
  const { receiveQueueBytes: queue } = view;
  if (queue === undefined) return undefined;
  if (queue === 0) return 'the program has read the end of file and has not closed';
  return queue === 1 ? 'the program has not read the end of file' : `the program has left ${queue - 1} bytes unread`;
}

function ackNote(view: CloseView, finFate: Fate): string | undefined {
  if (view.peerState === 'gone') return 'the other end no longer exists and will not acknowledge it';
  if (finFate === 'lost') return 'the FIN has not arrived at the other end';
  return finFate === 'unsure' ? 'the FIN or its ACK is lost; the other end cannot be seen' : undefined;
}

function peerFinNote({ state, peerState }: CloseView, fate: Fate): string | undefined {
  if (state !== 'FIN_WAIT2' && state !== 'ESTABLISHED') return undefined;
  if (peerState === 'gone') return 'the other end no longer exists and will not send it';
  return fate === 'lost' ? 'the other end has sent it and it has not arrived' : undefined;
}

/**
 * The close handshake of one connection as far as its states show it, in the order in which it happens. The step that
 * everything waits for carries `missing`. Empty where no close has begun as far as can be seen (LISTEN, SYN_SENT, CLOSE,
 * ESTABLISHED unless the other end is visible and has closed).
 */
export function closeTimeline(view: CloseView): CloseStep[] {
  if (!OPENED.includes(view.state)) return [];
  const here = factsOf(view.state);
  const there = factsOf(view.peerState);
  if (view.state === 'ESTABLISHED' && !there.closed) return [];
  const finSent = localFinSent(view, here);
  const finFate = localFinFate(finSent, here, there);
  const peerFate = peerFinFate(here, there);
  const missing = missingOf(view, finSent, there);
  const steps: Record<CloseStepId, Omit<CloseStep, 'id' | 'missing'>> = {
    'local close': { step: 'close() here', by: 'local', done: here.closed ?? false, note: closeNote(view) },
    'local FIN': {
      step: 'FIN sent',
      by: 'local',
      done: finSent,
      note: here.closed ? localFinNote(view, finSent) : undefined,
      segment: { name: 'FIN', fate: finFate },
    },
    'ACK of local FIN': {
      step: 'its ACK received',
      by: 'peer',
      done: here.finAcked ?? false,
      note: missing === 'ACK of local FIN' ? ackNote(view, finFate) : undefined,
      segment: { name: 'ACK', fate: localAckFate(finFate, here) },
    },
    'peer close': { step: 'close() at the peer', by: 'peer', done: here.gotFin || (there.closed ?? 'unknown') },
    'peer FIN': {
      step: "the peer's FIN received",
      by: 'peer',
      done: here.gotFin ?? false,
      note: peerFinNote(view, peerFate),
      segment: { name: 'FIN', fate: peerFate },
    },
    'ACK of peer FIN': {
      step: 'its ACK sent',
      by: 'local',
      done: here.gotFin ?? false,
      segment: { name: 'ACK', fate: peerAckFate(here, there) },
    },
  };
  return orderOf(view).map((id) => {
    const { note, ...step } = steps[id];
    return { id, ...step, ...(id === missing && { missing: true as const }), ...(note !== undefined && { note }) };
  });
}
