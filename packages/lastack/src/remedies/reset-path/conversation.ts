import { decodeSegment, KernelError, type PacketSender, type PacketTap, type Segment } from '@lastack/kernel';
import { type Clock, isBetween, watchUntil } from '../reset/capture.ts';
import type { EndView } from './end_view.ts';
import { type EndResult, type EndState, endResult } from './result.ts';

/** Linux answers what is outside of the window once in half a second. */
const ROUND_MS = 550;
/** A reset may meet a connection that has moved on meanwhile. */
const MOST_RESETS = 4;
/** An answer can be lost, and the first guess of a number can be inside of the window. */
const SILENT_ROUNDS = 2;
/** When an attempt was refused: so long no further SYN may come. */
const AFTER_REFUSAL_MS = 2_500;

interface Party {
  view: EndView;
  other: EndView;
  resets: number;
  silentRounds: number;
  state?: EndState;
  failure?: KernelError;
}

export interface Line {
  tap: PacketTap;
  sender: PacketSender;
  clock: Clock;
  signal: AbortSignal;
  /** How long to wait for packets of an end that answers no probe. */
  waitMs: number;
}

/** Brings both ends to tell what they expect, resets each, and asks again. Ends at the latest after `waitMs` of silence. */
export async function converse(line: Line, views: readonly [EndView, EndView]): Promise<EndResult[]> {
  return new Conversation(line, views).hold();
}

class Conversation {
  readonly #line: Line;
  readonly #parties: readonly [Party, Party];
  /** What was sent, to know it when the tap shows it. */
  readonly #sent = new Set<string>();
  #untilMs: number;

  constructor(line: Line, [a, b]: readonly [EndView, EndView]) {
    this.#line = line;
    this.#parties = [
      { view: a, other: b, resets: 0, silentRounds: 0 },
      { view: b, other: a, resets: 0, silentRounds: 0 },
    ];
    this.#untilMs = line.clock.monotonicMs() + line.waitMs;
  }

  async hold(): Promise<EndResult[]> {
    while (!this.#line.signal.aborted) {
      const open = this.#parties.filter(({ state }) => state === undefined);
      const talking = open.filter(({ silentRounds }) => silentRounds < SILENT_ROUNDS);
      if (talking.length > 0) await this.#round(talking);
      else if (!(open.length > 0 || this.#mayBeConnecting()) || !(await this.#listen(open))) break;
    }
    return this.#parties.map(conclude);
  }

  /** Asks each, and acts on what it says. */
  async #round(talking: readonly Party[]): Promise<void> {
    for (const party of talking) this.#send(party, party.view.question(party.other));
    const untilMs = this.#line.clock.monotonicMs() + ROUND_MS;
    await this.#watch(untilMs, () => talking.every(({ view }) => view.spoke || view.denied));
    for (const party of talking) if (party.state === undefined) this.#act(party);
  }

  #act(party: Party): void {
    const { view } = party;
    if (view.attempted) this.#refuse(party);
    else if (view.denied) party.state = view.hasSpoken ? 'reset' : 'absent';
    else if (!view.spoke) this.#countSilence(party);
    else if (party.resets >= MOST_RESETS) party.state = 'still-there';
    else {
      party.resets++;
      party.silentRounds = 0;
      for (const packet of view.resets(party.other)) this.#send(party, packet);
    }
  }

  #countSilence(party: Party): void {
    party.silentRounds++;
    if (party.silentRounds >= SILENT_ROUNDS && party.resets > 0) party.state = 'went-silent';
  }

  /** An end in SYN_SENT denies having the connection when it is asked: only its own SYN tells. */
  #mayBeConnecting(): boolean {
    return this.#parties.every(({ view }) => !view.hasSpoken);
  }

  #refuse(party: Party): void {
    const packet = party.view.refusal(party.other);
    if (!packet || party.resets >= MOST_RESETS) {
      party.state = 'still-there';
      return;
    }
    party.view.attempted = false;
    party.resets++;
    party.state = 'went-silent';
    this.#send(party, packet);
    this.#untilMs = this.#line.clock.monotonicMs() + AFTER_REFUSAL_MS;
  }

  /** Waits for packets that nobody asked for. @returns false when none came in time */
  async #listen(open: readonly Party[]): Promise<boolean> {
    for (const { view } of open) view.spoke = false;
    const heard = await this.#watch(this.#untilMs, () =>
      this.#parties.some((party) => party.view.attempted || (open.includes(party) && party.view.spoke)),
    );
    if (!heard) return false;
    for (const party of this.#parties) {
      if (party.view.attempted) this.#refuse(party);
      else if (open.includes(party) && party.view.spoke) this.#act(party);
    }
    return true;
  }

  #watch(untilMs: number, isEnough: () => boolean): Promise<boolean> {
    const { tap, clock, signal } = this.#line;
    return watchUntil(tap, clock, signal, untilMs, (segments) => {
      for (const segment of segments) this.#observe(segment);
      return isEnough();
    });
  }

  #observe(segment: Segment): void {
    if (this.#sent.has(fingerprint(segment))) return;
    for (const { view, other } of this.#parties) if (isBetween(segment, view.wire, other.wire)) view.observe(segment);
  }

  #send(party: Party, packet: Uint8Array): void {
    this.#sent.add(fingerprintOf(packet));
    try {
      this.#line.sender.send(packet);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      party.failure = error;
      party.state = 'unreachable';
    }
  }
}

function conclude({ view, state, resets, failure }: Party): EndResult {
  // Without a verdict it never spoke, or was interrupted while it did.
  const otherwise = resets > 0 ? 'went-silent' : view.hasSpoken ? 'still-there' : 'silent';
  return endResult(view.address, state ?? otherwise, failure?.message);
}

/** The window tells our resets from those of the end whose name they bear: the numbers of both may be the same. */
function fingerprint({ tcp }: Segment): string {
  return `${tcp.sourcePort} ${tcp.flags} ${tcp.sequence} ${tcp.acknowledgment} ${tcp.window}`;
}

function fingerprintOf(packet: Uint8Array): string {
  const segment = decodeSegment(packet);
  return segment ? fingerprint(segment) : '';
}
