import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Modules of `lib` that keep no state of the process's own: their tests share workers, so that each worker loads the modules once. */
const shared = ['api', 'automations', 'connections', 'core', 'events', 'hooks', 'store', 'vendors'];
/** Their tests that set the environment, or start a product or many processes. */
const alone = [
  'lib/connections/sessions.test.ts',
  'lib/events/attention.test.ts',
  // A function keeps the services of the first environment that its module sees.
  'lib/hooks/{bodies,hooks,presets,senders}.test.ts',
  'lib/vendors/talk/product.test.ts',
];

/** They start one product each, or several, in this process or in others. Their workers load the modules once. */
const products = 'test/{acceptance,recipes}/**/*.test.ts';

/**
 * The longest projects come first. Files that share a process follow one another: a worker is kept only while the next file shares it too.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return ['products', 'alone', 'shared'].flatMap((name) => sorted.filter(({ project }) => project.name === name));
  }
}

export default defineConfig({
  test: {
    pool: 'forks',
    // Many tests wait for a process, a browser or a retry: a third worker uses the time of two cores in which two would wait. A fourth gains nothing.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // A limit for what hangs, not for what is slow: the suite passes on a machine that is ten times slower.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 120_000, interval: 150 } },
    // For the processes that tests start: products, callers, builds.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled') },
    projects: [
      {
        extends: true,
        test: { name: 'products', include: [products], setupFiles: ['test/support/leave-as-found.ts'], isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'shared',
          include: [`lib/{${shared}}/**/*.test.ts`, 'sandbox/**/*.test.ts'],
          exclude: alone,
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: [`lib/!(${shared.join('|')})/**/*.test.ts`, '{cdk,cli,local,test}/**/*.test.ts', ...alone],
          exclude: [products, '**/node_modules/**'],
        },
      },
    ],
  },
});
