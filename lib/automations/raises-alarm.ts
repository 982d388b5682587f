import type { Catalogue } from '../core/vendor.ts';
import { type Definition, isCall, target } from './definition.ts';
import { operationIn } from './runs/operations.ts';
import { everyStep } from './steps.ts';

/** Whether an automation is about an alarm: it says so, or a step calls an operation that raises one. */
export function raisesAlarm(vendors: Catalogue, definition: Pick<Definition, 'do' | 'priority'>): boolean {
  if (definition.priority === 'alarm') return true;
  return everyStep(definition.do).some(({ step }) => {
    if (!isCall(step)) return false;
    const { vendor, operation } = target(step);
    return operationIn(vendors, vendor, operation)?.alarm === true;
  });
}
