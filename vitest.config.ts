import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A shared machine can stall a process for seconds: on CI a test that failed is tried once more, and the report says so.
    retry: process.env.CI ? 1 : 0,
  },
});
