import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{cdk,cli,lib,local,sandbox,test}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
