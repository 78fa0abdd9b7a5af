import type { StateName } from '@lastack/core';

export type MeansKey = 'destroy' | 'close-gracefully' | 'abort' | 'abort silently';

/** What one means does to one socket. */
export interface Effect {
  /** The first thing that our end sends because of it. */
  wire: 'RST' | 'FIN' | 'nothing';
  /** State of our socket afterwards. */
  mine: 'gone' | StateName;
  /** State of the other end afterwards; undefined where it is out of reach. */
  peer?: 'gone' | StateName;
  /** Bytes, or errno, of the first reads of the program that holds it. */
  reads?: readonly (number | string)[];
}

export interface Case {
  scenario: string;
  /** Needed to make the scenario at all. */
  count?: number;
  /** A means that is not named must be refused. */
  effects: Partial<Record<MeansKey, Effect>>;
}

const RESET = { wire: 'RST', mine: 'gone' } as const;
const SILENCE = { wire: 'nothing', mine: 'gone' } as const;
const ABORTED = { reads: ['ECONNABORTED'] } as const;
const RESET_READ = { reads: ['ECONNRESET'] } as const;

/** Both ends as Linux leaves them; what the program reads was tried with plain sockets first. */
export const CASES: readonly Case[] = [
  {
    scenario: 'established',
    effects: {
      destroy: { ...RESET, peer: 'gone', ...ABORTED },
      'close-gracefully': { wire: 'FIN', mine: 'FIN_WAIT2', peer: 'CLOSE_WAIT', reads: ['EAGAIN'] },
      abort: { ...RESET, peer: 'gone', ...RESET_READ },
      'abort silently': { ...SILENCE, peer: 'ESTABLISHED', ...ABORTED },
    },
  },
  {
    scenario: 'close-wait-close-forgotten',
    effects: {
      destroy: { ...RESET, peer: 'gone', reads: [0] },
      'close-gracefully': { wire: 'FIN', mine: 'gone', peer: 'TIME_WAIT', reads: [0] },
      abort: { ...RESET, peer: 'gone', ...RESET_READ },
      'abort silently': { ...SILENCE, peer: 'FIN_WAIT2', ...ABORTED },
    },
  },
  {
    scenario: 'close-wait-data-unread',
    effects: {
      destroy: { ...RESET, peer: 'gone', reads: [1_000, 0] },
      'close-gracefully': { wire: 'FIN', mine: 'gone', peer: 'TIME_WAIT', reads: [1_000, 0] },
      abort: { ...RESET, peer: 'gone', ...RESET_READ },
      'abort silently': { ...SILENCE, peer: 'FIN_WAIT2', ...ABORTED },
    },
  },
  { scenario: 'close-wait-unaccepted', effects: { destroy: { ...RESET, peer: 'gone' } } },
  {
    scenario: 'fin-wait-1-blackhole',
    effects: {
      destroy: { ...RESET, ...ABORTED },
      abort: { ...RESET, ...RESET_READ },
      'abort silently': { ...SILENCE, ...ABORTED },
    },
  },
  { scenario: 'fin-wait-1-blackhole-orphan', effects: { destroy: RESET } },
  {
    scenario: 'fin-wait-2-held',
    effects: {
      destroy: { ...RESET, peer: 'gone', ...ABORTED },
      abort: { ...RESET, peer: 'gone', ...RESET_READ },
      'abort silently': { ...SILENCE, peer: 'CLOSE_WAIT', ...ABORTED },
    },
  },
  { scenario: 'fin-wait-2-orphans-60', effects: { destroy: { ...SILENCE, peer: 'CLOSE_WAIT' } } },
  { scenario: 'fin-wait-2-orphans-90', effects: { destroy: { ...RESET, peer: 'gone' } } },
  {
    scenario: 'last-ack-blackhole',
    effects: { destroy: SILENCE, abort: SILENCE, 'abort silently': SILENCE },
  },
  { scenario: 'last-ack-blackhole-orphan', effects: { destroy: SILENCE } },
  {
    scenario: 'closing-blackhole',
    effects: { destroy: SILENCE, abort: SILENCE, 'abort silently': SILENCE },
  },
  { scenario: 'closing-blackhole-orphan', effects: { destroy: SILENCE } },
  {
    scenario: 'syn-sent-unanswered',
    effects: {
      destroy: { ...SILENCE, ...ABORTED },
      'close-gracefully': { ...SILENCE, ...RESET_READ },
      abort: { ...SILENCE, ...RESET_READ },
      'abort silently': { ...SILENCE, ...ABORTED },
    },
  },
  { scenario: 'syn-recv-pileup', effects: { destroy: SILENCE } },
  { scenario: 'time-wait-port-pressure', effects: { destroy: { ...SILENCE, peer: 'gone' } } },
];
