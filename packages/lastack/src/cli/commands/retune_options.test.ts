import { describe, expect, it } from 'vitest';
import { UserError } from '../../effects.ts';
import { type RetuneOptionFlags, readWish } from './retune_options.ts';

describe('what the options ask for', () => {
  it.each<[RetuneOptionFlags, object]>([
    [{ keepalive: '60' }, { keepalive: true, keepaliveIdleSeconds: 60 }],
    [{ keepalive: '2m/10s' }, { keepalive: true, keepaliveIdleSeconds: 120, keepaliveIntervalSeconds: 10 }],
    [
      { keepalive: '9h/1/127' },
      { keepalive: true, keepaliveIdleSeconds: 32_400, keepaliveIntervalSeconds: 1, keepaliveProbes: 127 },
    ],
    [{ keepalive: '32767' }, { keepalive: true, keepaliveIdleSeconds: 32_767 }],
    [{ keepalive: false }, { keepalive: false }],
    [{ userTimeout: '0' }, { userTimeoutMs: 0 }],
    [{ userTimeout: '1500ms' }, { userTimeoutMs: 1500 }],
    [{ userTimeout: '1m30s' }, { userTimeoutMs: 90_000 }],
    [{ linger2: '-1' }, { linger2Seconds: -1 }],
    [
      { linger2: '2m', synCount: '1' },
      { linger2Seconds: 120, synCount: 1 },
    ],
    [{ rtoMax: '1s' }, { rtoMaxMs: 1000 }],
    [{ rtoMax: '120' }, { rtoMaxMs: 120_000 }],
  ])('%j', (flags, wish) => {
    expect(readWish(flags, false)).toEqual(wish);
  });

  it.each<[RetuneOptionFlags, RegExp]>([
    [{}, /what is to be set\?/],
    [{ keepalive: '' }, /TIME is not/],
    [{ keepalive: '0/1/1' }, /TIME is not whole seconds from 1 to 32767/],
    [{ keepalive: '32768' }, /TIME is not/],
    [{ keepalive: '1.5' }, /TIME is not whole seconds/],
    [{ keepalive: '-5' }, /TIME is not/],
    [{ keepalive: '5/' }, /INTERVAL is not/],
    [{ keepalive: '5/0' }, /INTERVAL is not/],
    [{ keepalive: '5/1/0' }, /PROBES is not a number from 1 to 127/],
    [{ keepalive: '5/1/128' }, /PROBES is not/],
    [{ keepalive: '5/1/3s' }, /PROBES is not/],
    [{ keepalive: '5/1/3/4' }, /TIME\/INTERVAL\/PROBES/],
    [{ keepalive: '\u001b[31m' }, /\\x1b/],
    [{ userTimeout: 'soon' }, /not a duration/],
    [{ userTimeout: '25d' }, /not from 0 to 2147483647/],
    [{ userTimeout: '0.1ms' }, /not from 0/],
    [{ linger2: '-2' }, /nor -1/],
    [{ linger2: '121' }, /from 0 to 120/],
    [{ linger2: '0.5' }, /whole seconds/],
    [{ rtoMax: '999ms' }, /from 1s to 120s/],
    [{ rtoMax: '121s' }, /from 1s to 120s/],
    [{ rtoMax: '0' }, /from 1s/],
    [{ synCount: '0' }, /from 1 to 127/],
    [{ synCount: '1e2' }, /from 1 to 127/],
  ])('%j is refused', (flags, said) => {
    expect(() => readWish(flags, false)).toThrow(UserError);
    expect(() => readWish(flags, false)).toThrow(said);
  });

  it('refuses what contradicts itself', () => {
    expect(() => readWish({ keepalive: '5' }, true)).toThrow(/exclude each other/);
  });
});
