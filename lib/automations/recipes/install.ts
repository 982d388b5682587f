import type { Principal } from '../../api/key-check.ts';
import { GatewayError } from '../../core/errors.ts';
import { parseInput } from '../../core/operation.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { findHook, type HookRecordServices, putHook, type WrittenHook } from '../../hooks/records.ts';
import { type AdmissionServices, admit } from '../admission.ts';
import { type AutomationItem, definitionOf } from '../automations.ts';
import { automationSchema, type Definition } from '../definition.ts';
import {
  automationByName,
  createAutomation,
  mayChange,
  type RecordServices,
  removeAutomation,
  replaceAutomation,
} from '../records.ts';
import { fill, type Recipe, readInputs } from './recipe.ts';

export type InstallServices = RecordServices & HookRecordServices & AdmissionServices;

export interface Installation {
  hooks: { key: string; written: WrittenHook }[];
  automations: AutomationItem[];
}

/**
 * Creates the hooks and automations of a recipe, or updates those of an earlier installation with the same name. If any of them
 * is rejected, what was created is removed again.
 */
export async function install(
  services: InstallServices,
  vendors: EventCatalogue,
  principal: Principal,
  recipe: Recipe,
  name: string,
  given: Readonly<Record<string, unknown>>,
): Promise<Installation> {
  const inputs = readInputs(recipe, given);
  const hooks: Installation['hooks'] = [];
  const automations: AutomationItem[] = [];
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const [key, template] of Object.entries(recipe.hooks ?? {})) {
      const settings = { ...(fill(template, inputs) as object), name: nameOf(name, template.name) };
      const before = await findHook(services.hooks, settings.name).catch(absent);
      const written = await putHook(services, vendors, principal, settings, before);
      if (!before) undo.push(() => services.hooks.remove(written.item.id));
      hooks.push({ key, written });
    }
    const values: Record<string, unknown> = { ...inputs, installation: name };
    for (const { key, written } of hooks) values[`hook.${key}`] = written.item.id;
    const alongside = recipe.automations.map((template) => nameOf(name, template.name));
    for (const template of recipe.automations) {
      const filled = { ...(fill(template, values) as object), name: nameOf(name, template.name) };
      const definition = parseInput(automationSchema(), filled, `The automation ${template.name}`);
      const before = await automationByName(services.table, definition.name);
      automations.push(await store(services, vendors, principal, definition, before, undo, alongside));
    }
    return { hooks, automations };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** What an installation would create or update, with its inputs filled in. Throws `invalid_input` as `install` does. */
export async function preview(
  services: InstallServices,
  recipe: Recipe,
  name: string,
  given: Readonly<Record<string, unknown>>,
) {
  const inputs = readInputs(recipe, given);
  const known = new Set((await services.hooks.list()).map((hook) => hook.name));
  const hooks = Object.entries(recipe.hooks ?? {}).map(([key, template]) => {
    const full = nameOf(name, template.name);
    return { ...(fill(template, inputs) as object), key, name: full, exists: known.has(full) };
  });
  const values: Record<string, unknown> = { ...inputs, installation: name };
  for (const { key } of hooks) values[`hook.${key}`] = `the hook ${nameOf(name, recipe.hooks?.[key]?.name ?? '')}`;
  const automations = await Promise.all(
    recipe.automations.map(async (template) => {
      const full = nameOf(name, template.name);
      const before = await automationByName(services.table, full);
      return { ...(fill(template, values) as object), name: full, exists: before !== undefined };
    }),
  );
  return { hooks, automations };
}

async function store(
  services: InstallServices,
  vendors: EventCatalogue,
  principal: Principal,
  definition: Definition,
  before: AutomationItem | undefined,
  undo: (() => Promise<unknown>)[],
  alongside: readonly string[],
): Promise<AutomationItem> {
  if (before) mayChange(before, principal);
  await admit(services, vendors, definition, principal, { now: services.clock.now(), alongside });
  if (!before) {
    const created = await createAutomation(services, definition, principal);
    undo.push(() => removeAutomation(services, created));
    return created;
  }
  const old = definitionOf(before);
  const replaced = await replaceAutomation(services, before, definition, principal);
  undo.push(() => replaceAutomation(services, replaced, old, principal));
  return replaced;
}

function nameOf(installation: string, part: string): string {
  return part === '' ? installation : `${installation}: ${part}`;
}

function absent(error: unknown): undefined {
  if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error;
}
