import type { Principal } from '../api/keys/key-check.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { type AdmissionServices, admit } from './admission.ts';
import { type AutomationItem, definitionOf } from './automations.ts';
import type { Definition } from './definition.ts';
import { createAutomation, mayChange, onlySwitches, type RecordServices, replaceAutomation } from './records.ts';
import { sealDefinition } from './sealed-definition.ts';

export type PutServices = RecordServices & AdmissionServices;

/**
 * Creates an automation, or replaces `before`, after the checks that apply however it is stored. `alongside` are the names of
 * automations that are stored together with it.
 */
export async function putAutomation(
  services: PutServices,
  vendors: EventCatalogue,
  principal: Principal,
  given: Definition,
  before: AutomationItem | undefined,
  alongside: readonly string[] = [],
): Promise<AutomationItem> {
  const now = services.clock.now();
  if (!before) {
    await admit(services, vendors, given, principal, { now, alongside });
    return createAutomation(services, given, principal);
  }
  mayChange(before, principal);
  const old = definitionOf(before);
  const definition = await sealDefinition(services, given, old);
  if (!onlySwitches(old, definition)) {
    const pastMoments = JSON.stringify(old.when) === JSON.stringify(definition.when);
    await admit(services, vendors, definition, principal, { now, pastMoments, alongside });
  }
  return replaceAutomation(services, before, definition, principal);
}
