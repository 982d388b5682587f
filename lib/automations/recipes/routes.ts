import * as z from 'zod/mini';
import { type Route, route } from '../../api/route.ts';
import { controlNeed, requireScope } from '../../api/scopes.ts';
import { field, named, text } from '../../core/field.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { urlOf } from '../../hooks/routes.ts';
import { type InstallServices, install, preview, recipeNamed } from './install.ts';
import { listInstallations } from './installations.ts';
import type { LoadRecipes, Recipe } from './recipe.ts';

const installFields = () => ({
  name: field(z.optional(text(60)), {
    description: 'How hooks and automations are named. Default: the title of the recipe.',
  }),
  inputs: z._default(z.record(z.string(), z.unknown()), {}),
});
const previewed = () => named('PreviewedItem', z.looseObject({ name: z.string(), exists: z.boolean() }));
const shown = () =>
  named(
    'Recipe',
    z.looseObject({
      name: z.string(),
      title: z.string(),
      summary: z.string(),
      requirements: z.array(z.string()),
      inputs: z.record(z.string(), z.looseObject({ title: z.string(), type: z.string() })),
    }),
  );

/** The routes of the recipes that ship with Trunkline. */
export function recipeRoutes(services: InstallServices, vendors: EventCatalogue, loadRecipes: LoadRecipes): Route[] {
  const shared = { tag: 'Recipes', area: 'automations' } as const;
  const find = async (name = ''): Promise<Recipe> => recipeNamed(await loadRecipes(), name);
  return [
    route({
      ...shared,
      call: 'GET /v1/recipes',
      operationId: 'listRecipes',
      summary: 'List the recipes with their inputs',
      output: () => z.array(shown()),
      handle: async () => Object.entries(await loadRecipes()).map(([name, recipe]) => show(name, recipe)),
    }),
    route({
      ...shared,
      call: 'GET /v1/installations',
      operationId: 'listInstallations',
      summary: 'List the installed recipes with their inputs, hooks and automations',
      output: () =>
        z.array(
          z.looseObject({
            name: z.string(),
            recipe: z.string(),
            inputs: z.record(z.string(), z.unknown()),
            hooks: field(z.array(z.string()), { description: 'Their names.' }),
            automations: field(z.array(z.string()), { description: 'Their names.' }),
            installedAt: z.string(),
            updatedAt: z.string(),
          }),
        ),
      handle: () => listInstallations(services.table),
    }),
    route({
      ...shared,
      call: 'GET /v1/recipes/{name}',
      operationId: 'getRecipe',
      summary: 'Get a recipe with its hooks and automations',
      output: shown,
      handle: async ({ params: { name = '' } }) => {
        const recipe = await find(name);
        return { ...show(name, recipe), hooks: recipe.hooks ?? {}, automations: recipe.automations };
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/recipes/{name}/preview',
      operationId: 'previewRecipe',
      summary: 'Show what an installation would create or update, without doing it',
      input: installFields,
      output: () => z.looseObject({ hooks: z.array(previewed()), automations: z.array(previewed()) }),
      handle: async ({ params, input }) => {
        const recipe = await find(params.name);
        return preview(services, recipe, input.name ?? recipe.title, input.inputs);
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/recipes/{name}/install',
      operationId: 'installRecipe',
      summary: 'Create the hooks and automations of a recipe; repeating the call with the same name updates them',
      write: true,
      status: 201,
      input: installFields,
      output: () =>
        z.looseObject({
          id: field(z.string(), { description: 'The name that it is installed under.' }),
          hooks: z.array(
            z.looseObject({
              key: z.string(),
              id: z.string(),
              name: z.string(),
              url: field(z.optional(z.string()), { description: 'The URL to post to. Shown only this once.' }),
              secret: field(z.optional(z.string()), { description: 'Shown only this once.' }),
            }),
          ),
          automations: z.array(z.looseObject({ id: z.string(), name: z.string() })),
        }),
      handle: async ({ params, input, principal, request }) => {
        const recipe = await find(params.name);
        if (recipe.hooks) requireScope(principal.scopes, controlNeed('hooks', true));
        const { name = recipe.title, inputs: given } = input;
        const installing = { recipe, recipeName: params.name ?? '', name, given };
        const made = await install(services, vendors, principal, installing);
        return {
          id: name,
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
