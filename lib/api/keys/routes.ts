import * as z from 'zod/mini';
import { refusedField } from '../../core/errors.ts';
import { field, integer, named, text } from '../../core/field.ts';
import { type Route, route } from '../route.ts';
import { isScope } from '../scopes.ts';
import { defaultPerMinute, type KeyItem } from './key-check.ts';
import type { ApiKeys } from './keys.ts';

const scope = (vendorNames: readonly string[]) => {
  const known = (text: string) => isScope(vendorNames, text);
  return field(z.string().check(z.refine(known, 'must be vendor/connection/operation or trunkline/area/read|write')), {
    description:
      'vendor/connection/operation, with * for all; destructive and session operations and raw must be named exactly.',
    examples: ['proptt2/dispatch/*'],
  });
};
const shown = () =>
  named(
    'Key',
    z.looseObject({
      id: z.string(),
      name: z.string(),
      scopes: z.array(z.string()),
      createdAt: z.string(),
      perMinute: z.int(),
    }),
  );
const shownOnce = () =>
  named('NewKey', z.extend(shown(), { key: field(z.string(), { description: 'Shown only this once.' }) }));

const revoked = () =>
  named(
    'RevokedKey',
    z.looseObject({
      created: field(z.array(z.looseObject({ type: z.string(), id: z.string(), name: z.string() })), {
        description: 'The keys that it created, and the automations, subscriptions and hooks of all these keys.',
      }),
      removed: field(z.boolean(), { description: 'Whether these are gone as well (`cascade`).' }),
    }),
  );

/** What keys can create in addition to other keys. Each can be removed. */
export type Creations = (
  keyIds: readonly string[],
) => Promise<{ type: string; id: string; name: string; remove(): Promise<unknown> }[]>;

/** The calls on keys. A key is shown only when it is created or rotated. `scopeProblem` says why a scope can never be used. */
export function keyRoutes(
  keys: ApiKeys,
  vendorNames: readonly string[],
  scopeProblem: (scope: string) => Promise<string | undefined>,
  creations: Creations,
): Route[] {
  const shared = { tag: 'Keys', area: 'keys' } as const;
  return [
    route({
      ...shared,
      call: 'POST /v1/keys',
      operationId: 'createKey',
      summary: 'Create a key',
      write: true,
      status: 201,
      input: () => ({
        name: field(text(100), { examples: ['Zapier'] }),
        scopes: z.array(scope(vendorNames)).check(z.minLength(1), z.maxLength(100)),
        perMinute: field(z.optional(integer(1, 1_000_000)), {
          description: `Calls a minute that one process grants. Default ${defaultPerMinute}.`,
        }),
      }),
      output: shownOnce,
      handle: async ({ input, principal }) => {
        for (const [at, wanted] of input.scopes.entries()) {
          const message = await scopeProblem(wanted);
          if (message !== undefined) throw refusedField(`/scopes/${at}`, message);
        }
        const { item, key } = await keys.create(
          principal,
          input.name,
          input.scopes,
          input.perMinute ?? defaultPerMinute,
        );
        return { ...show(item), key };
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/keys',
      operationId: 'listKeys',
      summary: 'List the keys',
      output: () => z.array(shown()),
      handle: async () => (await keys.list()).map(show),
    }),
    route({
      ...shared,
      call: 'GET /v1/keys/{id}',
      operationId: 'getKey',
      summary: 'Get a key',
      output: shown,
      handle: async ({ params }) => {
        const item = await keys.get(params.id ?? '');
        const children = (await keys.madeBy(item.id)).filter(({ createdBy }) => createdBy === item.id);
        return { ...show(item), created: listed(children, await creations([item.id])) };
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/keys/{id}/rotate',
      operationId: 'rotateKey',
      summary: 'Rotate a key: it gets a new secret',
      write: true,
      input: () => ({
        overlapSeconds: field(z._default(integer(0, 604_800), 86_400), {
          description: 'How long the old secret keeps working. Default one day.',
        }),
      }),
      output: shownOnce,
      handle: async ({ params, input, principal }) => {
        const { item, key } = await keys.rotate(principal, params.id ?? '', input.overlapSeconds);
        return { ...show(item), key };
      },
    }),
    route({
      ...shared,
      call: 'DELETE /v1/keys/{id}',
      operationId: 'revokeKey',
      summary: 'Revoke a key, which stops working everywhere within ten seconds; lists what it created',
      write: true,
      input: () => ({
        cascade: field(z._default(z.boolean(), false), {
          description:
            'Also removes the keys that it created, and the automations, subscriptions and hooks of all these keys. Without it they stay.',
        }),
      }),
      output: revoked,
      handle: async ({ params, input, principal }) => {
        const id = params.id ?? '';
        const children = await keys.madeBy(id);
        const ids = [id, ...children.map((child) => child.id)];
        // The keys first, so that nothing new is created in the meantime.
        for (const each of input.cascade ? ids : [id]) await keys.revoke(principal, each);
        const made = await creations(ids);
        if (input.cascade) for (const each of made) await each.remove();
        return { created: listed(children, made), removed: input.cascade };
      },
    }),
  ];
}

function listed(keys: readonly KeyItem[], others: Awaited<ReturnType<Creations>>) {
  return [
    ...keys.map(({ id, name }) => ({ type: 'key', id, name })),
    ...others.map(({ type, id, name }) => ({ type, id, name })),
  ];
}

function show(item: KeyItem) {
  return {
    id: item.id,
    name: item.name,
    scopes: item.scopes,
    perMinute: item.perMinute,
    createdBy: item.createdBy,
    createdAt: item.createdAt,
    rotatedAt: item.rotatedAt,
  };
}
