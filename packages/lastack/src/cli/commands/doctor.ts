import { RULES } from '@lastack/core';
import {
  CapabilityBit,
  effectiveCapabilities,
  hasCapability,
  NetlinkProtocol,
  openNetlink,
  privilegeCapabilities,
  probeSockDestroy,
} from '@lastack/kernel';
import type { Command } from 'commander';
import { type Effects, Exit, UserError, writeLast } from '../../effects.ts';
import { withUsefulAdvice } from '../../engine/advice.ts';
import { diagnose } from '../../engine/diagnose.ts';
import type { Scope } from '../../engine/namespaces.ts';
import { closeNamespaces, DIAGNOSED_STATES, observe } from '../../engine/observation.ts';
import { type Diagnosis, isComplete, reportJson } from '../../report/report_json.ts';
import { renderReport } from '../render/report.ts';
import { pageOptions } from '../render/report_options.ts';

export interface DoctorOptions {
  json?: boolean;
  interval?: string;
  ownNetns?: boolean;
}

/** The doctor is what `lastack` without a command does. */
export function doctorCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .option('--json', 'one JSON document, schema lastack.report/1')
    .option('--interval <seconds>', 'read the counters this far apart, for rates that are worth more', '0.1')
    .option('--own-netns', 'look at the present network namespace only')
    .action(async (options: DoctorOptions) => {
      const scope: Scope = options.ownNetns ? 'own' : 'all';
      done(await doctor(effects, scope, options));
    });
}

export async function doctor(effects: Effects, scope: Scope, options: DoctorOptions): Promise<number> {
  const diagnosis = await examine(effects, scope, readInterval(options.interval));
  writeLast(
    effects.stdout,
    options.json ? `${JSON.stringify(reportJson(diagnosis))}\n` : renderReport(diagnosis, pageOptions(effects)),
  );
  if (diagnosis.findings.length > 0) return Exit.FOUND_OR_NO_MATCH;
  return isComplete(diagnosis.observation) ? Exit.OK : Exit.PARTIAL;
}

/** Observes and diagnoses; what every form of the report is made from. */
export async function examine(effects: Effects, scope: Scope, minimumIntervalMs: number): Promise<Diagnosis> {
  const observation = await observe(effects, scope, { states: DIAGNOSED_STATES });
  try {
    const findings = await diagnose(effects, observation, { rules: RULES, minimumIntervalMs });
    const capabilities = [await probeDestroy(effects), ...privilegeCapabilities(effects.procRoot)];
    return {
      observation: { ...observation, notes: withUsefulAdvice(effects, observation.notes) },
      findings,
      capabilities: withUsefulAdvice(effects, capabilities),
      tookMs: effects.monotonicMs() - observation.startedMs,
    };
  } finally {
    closeNamespaces(observation.namespaces);
  }
}

async function probeDestroy(effects: Effects) {
  const transport = openNetlink(effects.libc(), NetlinkProtocol.SOCK_DIAG);
  try {
    const found = await probeSockDestroy(transport);
    const mayUse = hasCapability(effectiveCapabilities(effects.procRoot), CapabilityBit.NET_ADMIN);
    if (!found.available || mayUse) return found;
    // The kernel looks the socket up before it asks for the right: the probe alone proves only the kernel's half.
    const because = 'the kernel has it, but CAP_NET_ADMIN is missing';
    return { ...found, available: false, because, todo: 'run as root or with CAP_NET_ADMIN' };
  } finally {
    transport.close();
  }
}

/** @throws UserError */
export function readInterval(text = '0.1'): number {
  const seconds = Number(text);
  if (!(seconds >= 0 && seconds <= 3600)) {
    throw new UserError(`--interval ${text}: not a number of seconds between 0 and 3600; for example --interval 10`);
  }
  return seconds * 1000;
}
