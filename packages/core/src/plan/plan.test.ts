import { describe, expect, it } from 'vitest';
import type { Preview } from './means.ts';
import { planSteps } from './plan.ts';
import { target } from './testing_target.ts';

const abilities = { refusals: {}, destroyBreaksOrphans: false };

function previewed(preview: Preview, rule: string | undefined) {
  const means = { destroy: { refuse: () => undefined, preview: () => preview } };
  return planSteps([target({ rule })], { abilities, means, forced: 'destroy' })[0].preview;
}

describe('a plan', () => {
  const reset: Preview = { peerSees: 'a reset', lostBytes: 0, remains: 'a descriptor' };

  it.each(['established-blackhole', 'fin-wait-1-blackhole', 'last-ack-blackhole'])(
    'promises no packet at the peer where %s says that none is answered',
    (rule) => {
      expect(previewed(reset, rule)).toEqual({
        peerSees: 'a reset if it arrives: nothing sent before was answered',
        lostBytes: 0,
        remains: 'a descriptor; the end of the peer if it does not',
      });
      expect(previewed({ peerSees: 'a FIN', lostBytes: 0 }, rule)?.remains).toBe('the end of the peer if it does not');
    },
  );

  it.each([undefined, 'close-wait-eof-unread', 'fin-wait-1-zero-window'])('leaves the preview alone (%s)', (rule) => {
    expect(previewed(reset, rule)).toEqual(reset);
  });

  it('leaves alone what sends nothing', () => {
    const silent: Preview = { peerSees: 'nothing, until it sends', lostBytes: 0 };
    expect(previewed(silent, 'last-ack-blackhole')).toEqual(silent);
  });
});
