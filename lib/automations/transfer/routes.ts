import * as z from 'zod/mini';
import { type Route, route } from '../../api/route.ts';
import { controlNeed, requireScope } from '../../api/scopes.ts';
import { field } from '../../core/field.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import type { LoadRecipes } from '../recipes/recipe.ts';
import { exportInstallation } from './export.ts';
import { Importer, type ImportServices, importActions, importKinds } from './import.ts';

const areas = ['connections', 'hooks', 'automations', 'subscriptions'] as const;

const document = () => z.record(z.string(), z.unknown());
const documents = (what: string) => field(z.array(document()), { description: what });
const sections = () => ({
  connections: documents('{vendor, name, settings}; `credentials` may be added for an import.'),
  hooks: documents('Hooks as they are created, without secrets.'),
  automations: documents('Automations as they are created. `when.hook` holds the name of a hook.'),
  recipes: documents(
    'Installed recipes: {recipe, name, inputs}. One whose hooks and automations do not exist is installed.',
  ),
  subscriptions: documents('Subscriptions as they are created, with `enabled`.'),
});

/** The routes that carry a whole installation without its secrets. `routes` are those that its parts are written with. */
export function transferRoutes(
  services: ImportServices,
  vendors: EventCatalogue,
  loadRecipes: LoadRecipes,
  routes: readonly Route[],
): Route[] {
  const shared = { tag: 'Installation', area: 'automations' } as const;
  return [
    route({
      ...shared,
      call: 'GET /v1/export',
      operationId: 'exportInstallation',
      summary:
        'Export connections, hooks, automations, installed recipes and subscriptions as one document without secrets',
      output: () => z.looseObject({ version: z.literal(1), ...sections() }),
      handle: async ({ principal: { scopes } }) => {
        for (const area of areas) requireScope(scopes, controlNeed(area, false));
        return exportInstallation(services, Object.keys(vendors), scopes);
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/import',
      operationId: 'importInstallation',
      summary: 'Create or change what a document of /v1/export holds, by name; nothing is deleted',
      write: true,
      input: () => ({
        version: z.optional(z.literal(1)),
        connections: z.optional(sections().connections),
        hooks: z.optional(sections().hooks),
        automations: z.optional(sections().automations),
        recipes: z.optional(sections().recipes),
        subscriptions: z.optional(sections().subscriptions),
        dryRun: field(z._default(z.boolean(), false), { description: 'True only reports what would happen.' }),
      }),
      output: () =>
        z.looseObject({
          dryRun: z.boolean(),
          results: z.array(
            z.looseObject({
              kind: z.enum(importKinds),
              name: z.string(),
              action: z.enum(importActions),
              message: z.optional(z.string()),
              errors: z.optional(z.array(z.object({ pointer: z.string(), message: z.string() }))),
              secrets: field(z.optional(z.array(z.string())), {
                description: 'The fields of the secret that the document lacks.',
              }),
              url: field(z.optional(z.string()), { description: 'The address of a new hook. Shown only this once.' }),
              hooks: field(z.optional(z.array(z.looseObject({ name: z.string() }))), {
                description: 'The hooks of a recipe that was installed, each with what is shown this once.',
              }),
              secret: field(z.optional(z.string()), {
                description: 'The secret of a new hook or subscription. Shown only this once.',
              }),
            }),
          ),
        }),
      handle: async ({ input: { version: _, dryRun, ...input }, principal, request }) => {
        for (const area of areas) requireScope(principal.scopes, controlNeed(area, false));
        const recipes = await loadRecipes();
        const importer = new Importer(services, vendors, recipes, routes, { principal, request }, dryRun);
        return { dryRun, results: await importer.run(input) };
      },
    }),
  ];
}
