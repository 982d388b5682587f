import { OperationAction, OperationStatus, OperationType } from '@aws/durable-execution-sdk-js';
import type { CheckpointDurableExecutionRequest, Operation } from '@aws-sdk/client-lambda';

type Update = NonNullable<CheckpointDurableExecutionRequest['Updates']>[number];

const ended: ReadonlySet<string | undefined> = new Set([
  OperationStatus.SUCCEEDED,
  OperationStatus.FAILED,
  OperationStatus.TIMED_OUT,
  OperationStatus.CANCELLED,
  OperationStatus.STOPPED,
]);

/**
 * The operation after an update, as the service stores it. `callbackId` is the id for a new callback; `now` is epoch milliseconds.
 */
export function applyUpdate(before: Operation | undefined, update: Update, callbackId: string, now: number): Operation {
  const { Action, Payload, Error: error } = update;
  const operation: Operation = before
    ? { ...before }
    : {
        Id: update.Id,
        Type: update.Type,
        StartTimestamp: new Date(now),
        Status: OperationStatus.STARTED,
        ...(update.ParentId !== undefined && { ParentId: update.ParentId }),
        ...(update.Name !== undefined && { Name: update.Name }),
        ...(update.SubType !== undefined && { SubType: update.SubType }),
      };
  if (Action === OperationAction.START) {
    operation.Status = OperationStatus.STARTED;
    start(operation, update, callbackId, now);
    return operation;
  }
  const attempt = (before?.StepDetails?.Attempt ?? 0) + 1;
  if (Action === OperationAction.RETRY) {
    const at = new Date(now + (update.StepOptions?.NextAttemptDelaySeconds ?? 0) * 1000);
    operation.Status = OperationStatus.PENDING;
    operation.StepDetails = { Attempt: attempt, NextAttemptTimestamp: at, ...(error && { Error: error }) };
    return operation;
  }
  operation.Status = Action === OperationAction.SUCCEED ? OperationStatus.SUCCEEDED : OperationStatus.FAILED;
  operation.EndTimestamp = new Date(now);
  const outcome = { ...(Payload !== undefined && { Result: Payload }), ...(error && { Error: error }) };
  if (update.Type === OperationType.STEP) operation.StepDetails = { Attempt: attempt, ...outcome };
  if (update.Type === OperationType.CONTEXT) {
    const replay = update.ContextOptions?.ReplayChildren;
    operation.ContextDetails = { ...outcome, ...(replay !== undefined && { ReplayChildren: replay }) };
  }
  return operation;
}

/** The operation after its timer has fired; undefined if the timer is not due. */
export function fired(operation: Operation, now: number): Operation | undefined {
  const at = dueAt(operation);
  if (at === undefined || at > now) return undefined;
  if (operation.Type === OperationType.STEP) return { ...operation, Status: OperationStatus.READY };
  const end = { EndTimestamp: new Date(at) };
  if (operation.Type === OperationType.WAIT) return { ...operation, ...end, Status: OperationStatus.SUCCEEDED };
  return { ...operation, ...end, Status: OperationStatus.TIMED_OUT };
}

/**
 * Corrects the timer of an operation that was stored before the clock was set back: it then lasts for its full duration from now
 * on. `storedAt` is when the execution was last stored, by the earlier clock. Undefined if nothing changes.
 */
export function setBack(operation: Operation, storedAt: number, now: number): Operation | undefined {
  const at = dueAt(operation);
  // The timer of a step is set when an attempt has failed, the others when they start.
  const setAt = operation.Type === OperationType.STEP ? storedAt : (operation.StartTimestamp?.getTime() ?? 0);
  if (at === undefined || setAt <= now) return undefined;
  const due = new Date(at - (setAt - now));
  if (operation.Type === OperationType.STEP)
    return { ...operation, StepDetails: { ...operation.StepDetails, NextAttemptTimestamp: due } };
  return {
    ...operation,
    StartTimestamp: new Date(now),
    WaitDetails: { ...operation.WaitDetails, ScheduledEndTimestamp: due },
  };
}

/** When a timer of an operation is due, in epoch milliseconds; undefined where it has none that runs. */
export function dueAt(operation: Operation): number | undefined {
  if (operation.Status === OperationStatus.PENDING) return operation.StepDetails?.NextAttemptTimestamp?.getTime();
  if (operation.Status !== OperationStatus.STARTED) return undefined;
  return operation.WaitDetails?.ScheduledEndTimestamp?.getTime() ?? callbackEnd(operation);
}

/** The earliest timer among operations whose enclosing operations have not ended. */
export function earliestTimer(operations: ReadonlyMap<string, Operation>): number | undefined {
  let earliest: number | undefined;
  for (const operation of operations.values()) {
    const at = dueAt(operation);
    if (at === undefined || (earliest !== undefined && earliest <= at)) continue;
    const parent = operation.ParentId === undefined ? undefined : operations.get(operation.ParentId);
    if (!ended.has(parent?.Status)) earliest = at;
  }
  return earliest;
}

/** A waiting callback that somebody completed; undefined when it is over already. */
export function completed(operation: Operation | undefined, result: string, now: number): Operation | undefined {
  if (operation?.Type !== OperationType.CALLBACK || operation.Status !== OperationStatus.STARTED) return undefined;
  if ((callbackEnd(operation) ?? Number.POSITIVE_INFINITY) <= now) return undefined;
  return {
    ...operation,
    Status: OperationStatus.SUCCEEDED,
    EndTimestamp: new Date(now),
    CallbackDetails: { ...operation.CallbackDetails, Result: result },
  };
}

function start(operation: Operation, update: Update, callbackId: string, now: number): void {
  if (update.Type === OperationType.WAIT) {
    const seconds = update.WaitOptions?.WaitSeconds ?? 0;
    operation.WaitDetails = { ScheduledEndTimestamp: new Date(now + seconds * 1000) };
  } else if (update.Type === OperationType.CALLBACK) {
    operation.CallbackDetails = { CallbackId: callbackId };
    const seconds = update.CallbackOptions?.TimeoutSeconds;
    // The service does not show when a callback ends; here it is stored like the end of a wait.
    if (seconds) operation.WaitDetails = { ScheduledEndTimestamp: new Date(now + seconds * 1000) };
  } else if (update.Type === OperationType.CHAINED_INVOKE) {
    throw new Error('Invoking another function from an execution is not supported on one machine');
  }
}

function callbackEnd(operation: Operation): number | undefined {
  return operation.WaitDetails?.ScheduledEndTimestamp?.getTime();
}
