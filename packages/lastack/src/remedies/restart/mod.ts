import { existsSync } from 'node:fs';
import type { ClearTarget, Preview, Refusal } from '@lastack/core';
import { unreadBytes, unsentBytes } from '@lastack/core';
import type { Remedy } from '../remedy.ts';
import { refuseWithoutHolder } from '../shared/on_descriptor.ts';
import { restartUnits } from './apply.ts';

/** Restarts the systemd services that hold the socket. */
export const restart: Remedy = makeRestart({ bootedMark: '/run/systemd/system' });

/** @param bootedMark a directory that exists where systemd is the init system, as sd_booted(3) tells it */
export function makeRestart({ bootedMark }: { bootedMark: string }): Remedy {
  return {
    id: 'restart',
    title: 'restarts the systemd service that holds the socket: everything it holds is closed',
    undo: 'none',
    async probe() {
      if (existsSync(bootedMark)) return undefined;
      return {
        outcome: 'unsupported',
        because: 'systemd does not run here',
        todo: 'restart the service by the means of its host, or use --method signal',
      };
    },
    refuse: (target, { refusals }) => refuse(target) ?? refusals.restart,
    preview,
    apply: restartUnits,
  };
}

function refuse(target: ClearTarget): Refusal | undefined {
  const refusal = refuseWithoutHolder(target);
  if (refusal) return refusal;
  for (const { pid, command, unit, container } of target.owners) {
    const name = `${command} (pid ${pid})`;
    if (pid === 1) return { outcome: 'not-permitted', because: 'process 1 holds it: it is never restarted' };
    if (unit?.endsWith('.service')) continue;
    if (container) return unsupported(`${name} runs in the container ${container}`, 'restart that container');
    if (unit) return unsupported(`${name} runs in ${unit}, which is no service`, 'use --method signal');
    return unsupported(`${name} belongs to no systemd unit`, 'use --method signal');
  }
  return undefined;
}

function unsupported(because: string, todo: string): Refusal {
  return { outcome: 'unsupported', because, todo };
}

function preview(target: ClearTarget): Preview {
  const unread = unreadBytes(target);
  const units = [...new Set(target.owners.flatMap(({ unit }) => unit ?? []))].join(', ');
  return {
    peerSees: unread > 0 ? 'a reset' : 'a FIN',
    programSees: 'to be stopped, and started anew',
    lostBytes: unread > 0 ? unread + unsentBytes(target) : 0,
    remains: `all else that ${units} holds is closed as well`,
  };
}
