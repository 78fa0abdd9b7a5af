import type { NetlinkTransport } from '../../src/transport/transport.ts';

/** One answer of a scripted transport: a datagram, a failure, or a datagram of another true length. */
export type Step = Uint8Array | Error | { bytes: Uint8Array; trueLength: number };

/** A transport below which a test decides what happens. It fails the test when more is asked than was scripted. */
export function scriptedTransport(steps: readonly Step[]): NetlinkTransport & { sent: Uint8Array[] } {
  const sent: Uint8Array[] = [];
  let next = 0;
  return {
    sent,
    send: (datagram) => void sent.push(datagram.slice()),
    async receive([buffer]) {
      const step = steps[next++];
      if (step === undefined) throw new Error('the script has no further datagram: this would hang');
      if (step instanceof Error) throw step;
      const { bytes, trueLength } = step instanceof Uint8Array ? { bytes: step, trueLength: step.length } : step;
      buffer.set(bytes.subarray(0, buffer.length));
      return [trueLength];
    },
    close() {},
  };
}
