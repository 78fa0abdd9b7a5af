import type { Refusal } from '@lastack/core';
import { KernelError, openPacketSender, openPacketTap, portPairFilter } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { failedAttempt } from '../shared/failures.ts';

/** Whether packets can be spoofed and seen here, by opening what that needs. Nothing is sent. */
export async function probeRawPackets({ libc }: Pick<Effects, 'libc'>): Promise<Refusal | undefined> {
  try {
    openPacketTap(libc(), portPairFilter(0, 0)).close();
    openPacketSender(libc()).close();
    return undefined;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const { outcome, because = error.message, todo } = failedAttempt(error);
    return { outcome: outcome === 'not-permitted' ? 'not-permitted' : 'unsupported', because, todo };
  }
}
