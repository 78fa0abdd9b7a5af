import type { JudgedAdvice, Settings } from '@lastack/core';
import { readSettings, readTimerHz } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { REMEDIES } from '../remedies/mod.ts';

/** What this host has to say to a verdict. */
export interface AdviceHost {
  settings: Settings;
  kernelRelease: string;
  timerHz: number | undefined;
  /** Undefined where no verdict depends on it. */
  sockDestroy?: { available: boolean; because: string };
}

/** The settings here; and, only where the advice needs it, whether the kernel has SOCK_DESTROY. Changes nothing. */
export async function adviceHost(effects: Effects, parts: readonly JudgedAdvice[]): Promise<AdviceHost> {
  const settings = readSettings(effects);
  const host = { settings, kernelRelease: effects.kernelRelease, timerHz: readTimerHz(effects.libc()) };
  if (!parts.some(({ needsSockDestroy }) => needsSockDestroy)) return host;
  const refusal = await REMEDIES.destroy?.probe?.(effects);
  const available = refusal?.outcome !== 'unsupported';
  return {
    ...host,
    sockDestroy: {
      available,
      because: available ? 'the kernel looked for the socket it was asked for' : refusal.because,
    },
  };
}
