import type { EventBridgeEvent } from 'aws-lambda';
import type { BrokenStatus, statusChange } from '../core/durable.ts';
import { log } from './log.ts';
import { type Services, services } from './services.ts';

/** Lambda's report that the status of a durable execution has changed. */
interface StatusChange {
  durableExecutionArn: string;
  /** The name that it was started with: the id of a run or of a delivery. */
  durableExecutionName: string;
  functionArn: string;
  status: BrokenStatus;
}

export type StatusChangeEvent = EventBridgeEvent<typeof statusChange, StatusChange>;

const sentences: Record<BrokenStatus, string> = {
  FAILED: 'Its execution failed; the log says why.',
  TIMED_OUT: 'Its execution ran out of time.',
  STOPPED: 'Its execution was stopped.',
};

/** A Lambda handler for executions that ended without finishing their work. It may be called more than once for each. */
export function endedExecutions(end: (services: Services, id: string, reason: string) => Promise<void>) {
  return async ({ detail }: StatusChangeEvent): Promise<void> => {
    const { durableExecutionName: id, status } = detail;
    log({ level: 'error', message: 'execution ended early', execution: id, status });
    await end(services(), id, sentences[status]);
  };
}
