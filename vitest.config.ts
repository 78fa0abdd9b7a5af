import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Most of the long tests wait for the kernel's timers; more side by side would disturb those that watch them.
    maxWorkers: 2,
    // CI machines are shared: a test against the clock of a real kernel may be disturbed once, not three times.
    retry: process.env.CI ? 2 : 0,
  },
});
