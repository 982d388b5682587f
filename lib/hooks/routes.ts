import * as z from 'zod/mini';
import type { HttpRequest } from '../api/request.ts';
import { type Route, route } from '../api/route.ts';
import { serverUrl } from '../api/server-url.ts';
import type { Connections } from '../connections/connections.ts';
import type { Clock, Random } from '../core/clock.ts';
import { inUse, refusedField } from '../core/errors.ts';
import { field, integer, text } from '../core/field.ts';
import { rotateSecret, storeSecret } from '../core/rotated-secret.ts';
import type { SecretStore } from '../core/secrets.ts';
import { hookSecret } from '../core/secrets.ts';
import { newSigningSecret } from '../core/standard-webhooks.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import type { Table } from '../store/table.ts';
import type { HookItem, Hooks } from './hooks.ts';
import {
  checkDedupe,
  dedupeInput,
  defaultPerMinute,
  limitInputs,
  resolveVerify,
  userAndPassword,
  type VerifyInput,
  verifyInput,
} from './input.ts';
import { hasSecret, newPlainSecret } from './secrets.ts';
import { type HookStatus, readStatus, readStatuses } from './status.ts';

export interface HookControlServices {
  table: Table;
  hooks: Hooks;
  secrets: SecretStore;
  connections: Connections;
  clock: Clock;
  random: Random;
}

const shown = () =>
  z.looseObject({
    id: z.string(),
    name: z.string(),
    verify: z.looseObject({ kind: z.string() }),
    perMinute: z.int(),
    received: z.int(),
    repeated: z.int(),
    refused: z.int(),
    lastReceivedAt: z.optional(z.string()),
    lastBody: z.optional(field(z.string(), { description: 'The last body as JSON, redacted and cut to 2 kB.' })),
    lastRefusal: z.optional(z.looseObject({ at: z.string(), status: z.int(), reason: z.string() })),
    createdAt: z.string(),
    updatedAt: z.string(),
  });
const urlField = () => field(z.string(), { description: 'Where to post to. It is a secret, and shown this once.' });
const secretField = () => z.optional(field(z.string(), { description: 'Shown this once, where it was made here.' }));
const overlapSeconds = () =>
  z._default(field(integer(0, 604_800), { description: 'How long the old one works on. Default one day.' }), 86_400);

/** The calls on hooks. Address and secret are shown when they are made and never again. */
export function hookRoutes(
  services: HookControlServices,
  vendors: EventCatalogue,
  usersOf: (id: string) => Promise<string[]>,
): Route[] {
  const { hooks, secrets, table, connections, random } = services;
  const shared = { tag: 'Hooks', area: 'hooks' } as const;
  const one = async (item: HookItem) => show(item, await readStatus(table, item.id));

  return [
    route({
      ...shared,
      method: 'POST',
      path: '/v1/hooks',
      operationId: 'createHook',
      summary: 'Make a hook: an address that a third party posts to',
      write: true,
      status: 201,
      input: () => ({
        name: text(100),
        verify: verifyInput(vendors),
        dedupe: z.optional(dedupeInput()),
        allowFrom: z.optional(limitInputs().allowFrom),
        silentAfterSeconds: z.optional(limitInputs().silentAfterSeconds),
        perMinute: z._default(limitInputs().perMinute, defaultPerMinute),
      }),
      output: () => z.extend(shown(), { url: urlField(), secret: secretField() }),
      handle: async ({ input, principal, request }) => {
        const { name, dedupe, allowFrom, perMinute, silentAfterSeconds } = input;
        const verify = await resolveVerify(connections, vendors, principal, input.verify);
        await checkDedupe(dedupe, verify);
        const id = hooks.newId();
        const secret = secretOf(input.verify, random);
        if (secret) await storeSecret(secrets, hookSecret(id), 1, secret.value);
        const { item, token } = await hooks.create(id, principal.keyId, {
          name,
          verify,
          perMinute,
          ...(dedupe && { dedupe }),
          ...(allowFrom && { allowFrom }),
          ...(silentAfterSeconds !== undefined && { silentAfterSeconds }),
        });
        return { ...show(item, {}), url: urlOf(request, token), ...(secret?.made && { secret: secret.value }) };
      },
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/hooks',
      operationId: 'listHooks',
      summary: 'List the hooks with what came through them',
      output: () => z.array(shown()),
      handle: async () => {
        const [items, statuses] = await Promise.all([hooks.list(), readStatuses(table)]);
        return items.map((item) => show(item, statuses.get(item.id) ?? {}));
      },
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/hooks/{id}',
      operationId: 'getHook',
      summary: 'Get a hook with what came through it and what was refused last',
      output: shown,
      handle: async ({ params }) => one(await hooks.get(params.id ?? '')),
    }),
    route({
      ...shared,
      method: 'PATCH',
      path: '/v1/hooks/{id}',
      operationId: 'changeHook',
      summary: 'Change a hook; another way to verify takes effect within ten seconds, without overlap',
      write: true,
      input: () => ({
        name: z.optional(text(100)),
        verify: z.optional(verifyInput(vendors)),
        dedupe: z.optional(z.nullable(dedupeInput())),
        allowFrom: z.optional(z.nullable(limitInputs().allowFrom)),
        silentAfterSeconds: z.optional(z.nullable(limitInputs().silentAfterSeconds)),
        perMinute: z.optional(limitInputs().perMinute),
      }),
      output: () => z.extend(shown(), { secret: secretField() }),
      handle: async ({ params, input, principal }) => {
        const before = await hooks.get(params.id ?? '');
        const { verify: given, ...rest } = input;
        const verify = given ? await resolveVerify(connections, vendors, principal, given) : before.verify;
        await checkDedupe(rest.dedupe === undefined ? before.dedupe : rest.dedupe, verify);
        if (!given) return one(await hooks.change(before, rest));
        const secret = secretOf(given, random);
        const secretVersion = before.secretVersion + 1;
        const item = await hooks.change(before, { ...rest, verify, secretVersion });
        if (secret) await storeSecret(secrets, hookSecret(item.id), secretVersion, secret.value);
        else await secrets.delete(hookSecret(item.id));
        return { ...(await one(item)), ...(secret?.made && { secret: secret.value }) };
      },
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/v1/hooks/{id}/rotate',
      operationId: 'rotateHook',
      summary: 'Give a hook a new address or a new secret, with an overlap',
      write: true,
      input: () => ({
        what: z._default(z.enum(['url', 'secret']), 'url'),
        secret: z.optional(
          field(text(500), { description: 'For `secret`: the new one; without it one is made.', writeOnly: true }),
        ),
        user: z.optional(userAndPassword().user),
        password: z.optional(userAndPassword().password),
        overlapSeconds: overlapSeconds(),
      }),
      output: () => z.extend(shown(), { url: z.optional(urlField()), secret: secretField() }),
      handle: async ({ params, input, request }) => {
        const before = await hooks.get(params.id ?? '');
        const { what, overlapSeconds: overlap, ...given } = input;
        if (what === 'url') {
          const [extra] = Object.keys(given);
          if (extra) throw refusedField(`/${extra}`, 'goes with "what": "secret"');
          const { item, token } = await hooks.rotateToken(before, overlap);
          return { ...(await one(item)), url: urlOf(request, token) };
        }
        const secret = nextSecret(before, given, vendors, random);
        const secretVersion = before.secretVersion + 1;
        const item = await hooks.change(before, { secretVersion });
        await rotateSecret(services, hookSecret(item.id), secretVersion, secret.value, overlap);
        return { ...(await one(item)), ...(secret.made && { secret: secret.value }) };
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path: '/v1/hooks/{id}',
      operationId: 'deleteHook',
      summary: 'Delete a hook: its address is dead everywhere within ten seconds',
      write: true,
      status: 204,
      handle: async ({ params }) => {
        const id = params.id ?? '';
        const users = await usersOf(id);
        if (users.length > 0) throw inUse('The hook', users);
        await hooks.remove(id);
        await secrets.delete(hookSecret(id));
      },
    }),
  ];
}

/** The secret of a hook: given, or made where its kind lets us; undefined where its kind has none. */
function secretOf(verify: VerifyInput, random: Random): { value: string; made: boolean } | undefined {
  if ('user' in verify) return { value: `${verify.user}:${verify.password}`, made: false };
  if ('secret' in verify && verify.secret !== undefined) return { value: verify.secret, made: false };
  switch (verify.kind) {
    case 'standard-webhooks':
      return { value: newSigningSecret(random.bytes), made: true };
    case 'github':
    case 'bearer':
      return { value: newPlainSecret(random), made: true };
    default:
      return undefined;
  }
}

/** The next secret of a hook, held against the schema of its kind. */
function nextSecret(
  { verify }: HookItem,
  given: { secret?: string | undefined; user?: string | undefined; password?: string | undefined },
  vendors: EventCatalogue,
  random: Random,
): { value: string; made: boolean } {
  if (!hasSecret(verify)) {
    throw refusedField('/what', `must be url: a hook of the kind ${verify.kind} has no secret of its own`);
  }
  const parsed = verifyInput(vendors).safeParse({ kind: verify.kind, ...given });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refusedField(`/${issue?.path.join('/') || 'secret'}`, `does not fit a hook of the kind ${verify.kind}`);
  }
  const secret = secretOf(parsed.data, random);
  if (!secret) throw refusedField('/secret', 'is required');
  return secret;
}

function urlOf(request: HttpRequest, token: string): string {
  return `${serverUrl(request)}/hooks/${token}`;
}

function show(item: HookItem, status: HookStatus) {
  const { id, name, verify, dedupe, allowFrom, perMinute, silentAfterSeconds, createdAt, updatedAt, rotatedAt } = item;
  const { received = 0, repeated = 0, refused: refusals = 0, lastReceivedAt, lastBody, lastProblem } = status;
  const { lastRefusedAt, lastRefusal, lastRefusalStatus } = status;
  return {
    id,
    name,
    verify,
    dedupe,
    allowFrom,
    perMinute,
    silentAfterSeconds,
    received,
    repeated,
    refused: refusals,
    lastReceivedAt,
    lastBody,
    lastProblem,
    lastRefusal: lastRefusal && { at: lastRefusedAt, status: lastRefusalStatus, reason: lastRefusal },
    createdAt,
    updatedAt,
    rotatedAt,
  };
}
