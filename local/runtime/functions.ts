import type { DurableLambdaHandler } from '@aws/durable-execution-sdk-js';
import type { Context, DynamoDBBatchResponse, DynamoDBStreamEvent } from 'aws-lambda';

/** A Lambda handler as this machine calls it. */
export type LocalHandler = (event: unknown, context: Context) => Promise<unknown>;

/** The functions behind HTTP, with the paths that API Gateway gives them. */
export const httpRoutes: readonly { path: string; functionName: string }[] = [
  { path: '/v1/proptt2/{proxy+}', functionName: 'proptt2' },
  { path: '/v1/talk/{proxy+}', functionName: 'talk' },
  { path: '/v1/timetonic/{proxy+}', functionName: 'timetonic' },
  { path: '/v1/{proxy+}', functionName: 'control' },
  { path: '/hooks/{token}', functionName: 'hooks' },
  { path: '/openapi.json', functionName: 'site' },
  { path: '/docs', functionName: 'site' },
  { path: '/docs/{proxy+}', functionName: 'site' },
  { path: '/health', functionName: 'site' },
  { path: '/', functionName: 'site' },
];

/** The functions that the clock starts every minute. */
export const clockFunctions = ['keep-sessions', 'poll-events', 'start-schedules'] as const;

/** The functions of this process: by HTTP and clock, durable ones, and the one on the table's stream. */
export interface Functions {
  plain: Readonly<Record<string, LocalHandler>>;
  durable: Readonly<Record<string, DurableLambdaHandler>>;
  stream: (event: DynamoDBStreamEvent) => Promise<DynamoDBBatchResponse>;
}

/**
 * The same functions that run on AWS, loaded into this process. They read the environment when they are first called, so it
 * must be set before.
 */
export async function loadFunctions(): Promise<Functions> {
  const [proptt2, talk, timetonic, control, hooks, site, keep, poll, schedules, route, deliver, run] =
    await Promise.all([
      import('../../functions/proptt2.ts'),
      import('../../functions/talk.ts'),
      import('../../functions/timetonic.ts'),
      import('../../functions/control.ts'),
      import('../../functions/hooks.ts'),
      import('../../functions/site.ts'),
      import('../../functions/keep-sessions.ts'),
      import('../../functions/poll-events.ts'),
      import('../../functions/start-schedules.ts'),
      import('../../functions/route-events.ts'),
      import('../../functions/deliver-event.ts'),
      import('../../functions/run-automation.ts'),
    ]);
  return {
    plain: {
      proptt2: local(proptt2.handler),
      talk: local(talk.handler),
      timetonic: local(timetonic.handler),
      control: local(control.handler),
      hooks: local(hooks.handler),
      site: local(site.handler),
      'keep-sessions': local(keep.handler),
      'poll-events': local(poll.handler),
      'start-schedules': local(schedules.handler),
    },
    durable: { 'deliver-event': deliver.handler, 'run-automation': run.handler },
    stream: route.handler,
  };
}

/** Each handler checks its own event; here they share one form. */
function local(handler: unknown): LocalHandler {
  return handler as LocalHandler;
}
