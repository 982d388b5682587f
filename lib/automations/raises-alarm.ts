import type { Catalogue } from '../core/vendor.ts';
import { type Definition, isCall, target } from './definition.ts';
import { operationIn } from './runs/operations.ts';
import { everyStep } from './steps.ts';

/** Whether any step of an automation calls an operation that raises an alarm. */
export function raisesAlarm(vendors: Catalogue, definition: Pick<Definition, 'do'>): boolean {
  return everyStep(definition.do).some(({ step }) => {
    if (!isCall(step)) return false;
    const { vendor, operation } = target(step);
    return operationIn(vendors, vendor, operation)?.alarm === true;
  });
}
