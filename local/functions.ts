import type { Context } from 'aws-lambda';

/** A Lambda handler as this machine calls it. */
export type LocalHandler = (event: unknown, context: Context) => Promise<unknown>;

/** The functions behind HTTP, with the paths that API Gateway gives them. */
export const httpRoutes: readonly { path: string; functionName: string }[] = [
  { path: '/v1/proptt2/{proxy+}', functionName: 'proptt2' },
  { path: '/v1/{proxy+}', functionName: 'control' },
  { path: '/openapi.json', functionName: 'site' },
  { path: '/docs', functionName: 'site' },
  { path: '/docs/{proxy+}', functionName: 'site' },
  { path: '/health', functionName: 'site' },
  { path: '/', functionName: 'site' },
];

/** The functions that the clock starts every minute. */
export const clockFunctions = ['keep-sessions'] as const;

/**
 * The same functions that run on AWS, loaded into this process. They read the environment when they are first called, so it
 * must be set before.
 */
export async function loadFunctions(): Promise<Record<string, LocalHandler>> {
  const modules = {
    proptt2: import('../functions/proptt2.ts'),
    control: import('../functions/control.ts'),
    'keep-sessions': import('../functions/keep-sessions.ts'),
    site: import('../functions/site.ts'),
  };
  const loaded = await Promise.all(
    // Each handler checks its own event; here they share one form.
    Object.entries(modules).map(
      async ([name, module]) => [name, (await module).handler as unknown as LocalHandler] as const,
    ),
  );
  return Object.fromEntries(loaded);
}
