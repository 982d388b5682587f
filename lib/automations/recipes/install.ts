import type { Principal } from '../../api/keys/key-check.ts';
import { GatewayError, undefinedIfNotFound } from '../../core/errors.ts';
import { didYouMean } from '../../core/nearest.ts';
import { parseInput } from '../../core/operation.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { findHook, type HookRecordServices, putHook, type WrittenHook } from '../../hooks/records.ts';
import { type AutomationItem, definitionOf } from '../automations.ts';
import { automationSchema, type Definition } from '../definition.ts';
import { type PutServices, putAutomation } from '../put-automation.ts';
import { automationByName, removeAutomation, replaceAutomation } from '../records.ts';
import { recordInstallation } from './installations.ts';
import { fill, type Recipe, type Recipes, readInputs } from './recipe.ts';

export type InstallServices = PutServices & HookRecordServices;

/** A recipe to install. */
export interface Installing {
  recipe: Recipe;
  recipeName: string;
  /** The name of the installation. */
  name: string;
  given: Readonly<Record<string, unknown>>;
}

/** The recipe with a name, or `not_found`. */
export function recipeNamed(recipes: Recipes, name: string): Recipe {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  if (recipe) return recipe;
  const near = didYouMean(name, Object.keys(recipes));
  throw new GatewayError('not_found', `There is no recipe ${JSON.stringify(name.slice(0, 60))}.${near}`);
}

/** The names of the hooks and automations of a recipe that is installed under a name. */
export function partsOf(recipe: Recipe, name: string): { hooks: string[]; automations: string[] } {
  return {
    hooks: Object.values(recipe.hooks ?? {}).map((hook) => nameOf(name, hook.name)),
    automations: recipe.automations.map((automation) => nameOf(name, automation.name)),
  };
}

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
  { recipe, recipeName, name, given }: Installing,
): Promise<Installation> {
  const inputs = readInputs(recipe, given);
  const hooks: Installation['hooks'] = [];
  const automations: AutomationItem[] = [];
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const [key, template] of Object.entries(recipe.hooks ?? {})) {
      const settings = { ...(fill(template, inputs) as object), name: nameOf(name, template.name) };
      const before = await findHook(services.hooks, settings.name).catch(undefinedIfNotFound);
      const written = await putHook(services, vendors, principal, settings, before);
      if (!before) undo.push(() => services.hooks.remove(written.item.id));
      hooks.push({ key, written });
    }
    const values: Record<string, unknown> = { ...inputs, installation: name };
    for (const { key, written } of hooks) values[`hook.${key}`] = written.item.id;
    const parts = partsOf(recipe, name);
    for (const template of recipe.automations) {
      const filled = { ...(fill(template, values) as object), name: nameOf(name, template.name) };
      const definition = parseInput(automationSchema(), filled, `The automation ${template.name}`);
      const before = await automationByName(services.table, definition.name);
      automations.push(await store(services, vendors, principal, definition, before, undo, parts.automations));
    }
    await recordInstallation(services, { name, recipe: recipeName, inputs, ...parts });
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
  const stored = await putAutomation(services, vendors, principal, definition, before, alongside);
  undo.push(() =>
    before ? replaceAutomation(services, stored, definitionOf(before), principal) : removeAutomation(services, stored),
  );
  return stored;
}

function nameOf(installation: string, part: string): string {
  return part === '' ? installation : `${installation}: ${part}`;
}
