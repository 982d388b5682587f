import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{cdk,cli,lib,local,sandbox,test}/**/*.test.ts'],
    pool: 'forks',
    // Many tests wait for a process or a browser: a third worker uses the time of two cores in which two would wait.
    maxWorkers: 3,
    // A limit for what hangs, not for what is slow: the suite passes on a machine that is ten times slower.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 120_000, interval: 150 } },
  },
});
