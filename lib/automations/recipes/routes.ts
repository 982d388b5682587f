import * as z from 'zod/mini';
import { type Route, route } from '../../api/route.ts';
import { controlNeed, requireScope } from '../../api/scopes.ts';
import { GatewayError } from '../../core/errors.ts';
import { field, text } from '../../core/field.ts';
import { didYouMean } from '../../core/nearest.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { urlOf } from '../../hooks/routes.ts';
import { type InstallServices, install, preview } from './install.ts';
import type { Recipe, Recipes } from './recipe.ts';

const installFields = () => ({
  name: z.optional(
    field(text(60), { description: 'How hooks and automations are named. Default: the title of the recipe.' }),
  ),
  inputs: z._default(z.record(z.string(), z.unknown()), {}),
});
const previewed = () => z.looseObject({ name: z.string(), exists: z.boolean() });
const shown = () =>
  z.looseObject({
    name: z.string(),
    title: z.string(),
    summary: z.string(),
    requirements: z.array(z.string()),
    inputs: z.record(z.string(), z.looseObject({ title: z.string(), type: z.string() })),
  });

/** The routes of the recipes that ship with Trunkline. */
export function recipeRoutes(services: InstallServices, vendors: EventCatalogue, recipes: Recipes): Route[] {
  const shared = { tag: 'Recipes', area: 'automations' } as const;
  const find = (name = ''): Recipe => {
    const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
    if (recipe) return recipe;
    const near = didYouMean(name, Object.keys(recipes));
    throw new GatewayError('not_found', `There is no recipe ${JSON.stringify(name.slice(0, 60))}.${near}`);
  };
  return [
    route({
      ...shared,
      method: 'GET',
      path: '/v1/recipes',
      operationId: 'listRecipes',
      summary: 'List the recipes with their inputs',
      output: () => z.array(shown()),
      handle: async () => Object.keys(recipes).map((name) => show(name, find(name))),
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/recipes/{name}',
      operationId: 'getRecipe',
      summary: 'Get a recipe with its hooks and automations',
      output: shown,
      handle: async ({ params: { name = '' } }) => {
        const { hooks = {}, automations } = find(name);
        return { ...show(name, find(name)), hooks, automations };
      },
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/v1/recipes/{name}/preview',
      operationId: 'previewRecipe',
      summary: 'Show what an installation would create or update, without doing it',
      input: installFields,
      output: () => z.looseObject({ hooks: z.array(previewed()), automations: z.array(previewed()) }),
      handle: async ({ params, input }) => {
        const recipe = find(params.name);
        return preview(services, recipe, input.name ?? recipe.title, input.inputs);
      },
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/v1/recipes/{name}/install',
      operationId: 'installRecipe',
      summary: 'Create the hooks and automations of a recipe; repeated under the same name it brings them up to date',
      write: true,
      status: 201,
      input: installFields,
      output: () =>
        z.looseObject({
          hooks: z.array(
            z.looseObject({
              key: z.string(),
              id: z.string(),
              name: z.string(),
              url: z.optional(field(z.string(), { description: 'Where to post to. It is shown this once.' })),
              secret: z.optional(field(z.string(), { description: 'Shown this once.' })),
            }),
          ),
          automations: z.array(z.looseObject({ id: z.string(), name: z.string() })),
        }),
      handle: async ({ params, input, principal, request }) => {
        const recipe = find(params.name);
        if (recipe.hooks) requireScope(principal.scopes, controlNeed('hooks', true));
        const made = await install(services, vendors, principal, recipe, input.name ?? recipe.title, input.inputs);
        return {
          hooks: made.hooks.map(({ key, written: { item, token, secret } }) => ({
            key,
            id: item.id,
            name: item.name,
            ...(token !== undefined && { url: urlOf(request, token) }),
            ...(secret !== undefined && { secret }),
          })),
          automations: made.automations.map(({ id, name }) => ({ id, name })),
        };
      },
    }),
  ];
}

function show(name: string, { title, summary, requirements, inputs }: Recipe) {
  return { name, title, summary, requirements, inputs };
}
