import type { RunStart } from '../core/durable.ts';
import { log } from './log.ts';
import { services } from './services.ts';

/** Ends the run whose execution failed, so that the failure is reported and the next alarm with its key is not treated as a duplicate. */
export async function endFailedExecution(functionName: string, payload: unknown, error: Error): Promise<void> {
  // What an execution of runs is started with.
  const { runId } = payload as Partial<RunStart>;
  if (functionName !== 'run-automation' || runId === undefined) return;
  const { abandonRun } = await import('../automations/runs/finish.ts');
  await abandonRun({ ...services(), log }, runId, `Its execution failed: ${error.message}`);
}
