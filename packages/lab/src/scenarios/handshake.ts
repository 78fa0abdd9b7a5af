import { TcpState } from '@lastack/core';
import { SERVICE_PORT } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { settled } from '../settle.ts';
import { pair } from '../topology/pair.ts';
import { routed } from '../topology/routed.ts';
import { allSettled } from './common.ts';
import { BLAME_OF } from './faults.ts';

const synSent: Scenario = {
  name: 'syn-sent-unanswered',
  title: 'connection attempts that nobody answers',
  expects: { rule: 'syn-sent-unanswered', blame: BLAME_OF.silence, state: 'SYN_SENT', forecastKind: 'at' },
  families: BOTH_FAMILIES,
  forecastTrial: { settings: { 'ipv4/tcp_syn_retries': 2 }, deathWithinMs: 40_000 },
  run: async (lab, { family, count = 3 }) => {
    const world = await routed(lab, family);
    await world.cut?.('both');
    const to = { address: world.serverAddress, port: SERVICE_PORT };
    const { ports } = await world.client.call('connectMany', { to, count, limitMs: 0 });
    const sockets = ports.map((port) => ({ local: { address: world.clientAddress, port }, remote: to }));
    await allSettled(world.client, family, sockets, 'SYN retransmitted', (socket) => {
      return socket.state === TcpState.SYN_SENT && socket.retransmits >= 2;
    });
    return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 0, unfreeze: world.restore };
  },
};

const synRecv: Scenario = {
  name: 'syn-recv-pileup',
  title: 'half-open connections pile up: the answers to their SYNs do not arrive',
  expects: {
    rule: 'syn-recv-pileup',
    // All come from one address: no flood of forged ones, and the listener's queue has room.
    blame: BLAME_OF.silence,
    state: 'SYN_RECV',
    forecastKind: 'at',
  },
  families: BOTH_FAMILIES,
  forecastTrial: { settings: { 'ipv4/tcp_synack_retries': 2 }, deathWithinMs: 25_000 },
  run: async (lab, { family, count = 100 }) => {
    const world = await routed(lab, family);
    const at = { address: world.serverAddress, port: SERVICE_PORT };
    // Exactly half full: a pile-up already, and one more would shorten the lives of all that are in it.
    await world.server.call('listen', { at, backlog: count * 2 });
    await world.cut?.('to-client');
    const { ports } = await world.client.call('connectMany', { to: at, count, limitMs: 0 });
    const sockets = ports.map((port) => ({ local: at, remote: { address: world.clientAddress, port } }));
    const halfOpen = (least: number) =>
      allSettled(world.server, family, sockets, `half-open, ${least} retransmissions`, (socket) => {
        return socket.state === TcpState.SYN_RECV && socket.retransmits >= least;
      });
    await halfOpen(0);
    // Each SYN that is repeated would set the clock of its half-open connection back.
    await world.cut?.('both');
    await halfOpen(1);
    return { observeIn: world.server, scope: 'namespace', sockets, settleMs: 0, unfreeze: world.restore };
  },
};

const BACKLOG = 4;

const listenQueueFull: Scenario = {
  name: 'listen-queue-full',
  title: 'a program that does not accept: its queue is full and clients wait',
  expects: { rule: 'listen-queue-full', blame: ['local-app'], state: 'LISTEN', forecastKind: undefined },
  families: BOTH_FAMILIES,
  run: async (lab, { family }) => {
    const world = await pair(lab, family);
    const at = { address: world.serverAddress, port: SERVICE_PORT };
    await world.server.call('listen', { at, backlog: BACKLOG });
    await world.client.call('connectMany', { to: at, count: BACKLOG * 4, limitMs: 0 });
    await settled(world.server, family, 'queue full', (all) =>
      all.some(({ state, receiveQueue }) => state === TcpState.LISTEN && receiveQueue > BACKLOG),
    );
    const sockets = [{ local: at, remote: { address: '', port: 0 } }];
    return { observeIn: world.server, scope: 'namespace', sockets, settleMs: 0 };
  },
};

export const handshake: readonly Scenario[] = [synSent, synRecv, listenQueueFull];
