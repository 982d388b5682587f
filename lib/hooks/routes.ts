import * as z from 'zod/mini';
import type { HttpRequest } from '../api/request.ts';
import { Answer, type Route, type RouteCall, route } from '../api/route.ts';
import { serverUrl } from '../api/server-url.ts';
import type { Connections } from '../connections/connections.ts';
import type { Random } from '../core/clock.ts';
import { inUse, refusedField, undefinedIfNotFound } from '../core/errors.ts';
import { field, integer, named, text } from '../core/field.ts';
import { rotateSecret } from '../core/rotated-secret.ts';
import type { SecretStore } from '../core/secrets.ts';
import { hookSecret } from '../core/secrets.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import type { LogServices } from '../events/log.ts';
import type { HookItem, Hooks } from './hooks.ts';
import { dedupeInput, limitInputs, receivingInputs, userAndPassword, verifyInput } from './input.ts';
import {
  createHook,
  findHook,
  hookFields,
  patchHook,
  putHook,
  secretOf,
  settingsOf,
  type WrittenHook,
} from './records.ts';
import { keptRefusals, listRefusals } from './refusals.ts';
import { hasSecret } from './secrets.ts';
import { sendTest } from './send-test.ts';
import { type HookStatus, readStatus, readStatuses } from './status.ts';

export interface HookControlServices extends LogServices {
  hooks: Hooks;
  secrets: SecretStore;
  connections: Connections;
  random: Random;
}

const shown = () =>
  named(
    'Hook',
    z.looseObject({
      id: z.string(),
      name: z.string(),
      verify: named('Verification', z.looseObject({ kind: z.string() })),
      perMinute: z.int(),
      received: z.int(),
      repeated: z.int(),
      refused: z.int(),
      handshakes: z.int(),
      lastReceivedAt: z.optional(z.string()),
      lastBody: field(z.optional(z.string()), { description: 'The last body as JSON, redacted and cut to 2 kB.' }),
      lastRefusal: z.optional(
        named('LastRefusal', z.looseObject({ at: z.string(), status: z.int(), reason: z.string() })),
      ),
      createdAt: z.string(),
      updatedAt: z.string(),
    }),
  );
const urlField = () =>
  field(z.string(), { description: 'The URL to post to. It is a secret and shown only this once.' });
const secretField = () =>
  field(z.optional(z.string()), { description: 'Shown only this once, if it was generated here.' });
const overlapSeconds = () =>
  field(z._default(integer(0, 604_800), 86_400), {
    description: 'How long the old one keeps working. Default one day.',
  });

/** What a GET returns in addition to the settings. A PUT accepts and ignores it, so that the body of a GET can be sent back. */
const readOnly = () => {
  const ignored = () => field(z.optional(z.unknown()), { description: 'Read-only; ignored in a request.' });
  return Object.fromEntries(
    Object.keys(shown().shape)
      .filter((name) => !['name', 'verify', 'perMinute'].includes(name))
      .concat('lastProblem', 'rotatedAt')
      .map((name) => [name, ignored()]),
  );
};

/** The calls on hooks. Address and secret are shown when they are made and never again. */
export function hookRoutes(
  services: HookControlServices,
  vendors: EventCatalogue,
  usersOf: (id: string) => Promise<string[]>,
): Route[] {
  const { hooks, secrets, table, random } = services;
  const shared = { tag: 'Hooks', area: 'hooks' } as const;
  const find = (params: RouteCall['params']) => findHook(hooks, params.id ?? '');
  const one = async (item: HookItem) => show(item, await readStatus(table, item.id));

  return [
    route({
      ...shared,
      call: 'POST /v1/hooks',
      operationId: 'createHook',
      summary: 'Create a hook: a URL that a third party posts to',
      write: true,
      status: 201,
      input: () => hookFields(vendors),
      output: () => z.extend(shown(), { url: urlField(), secret: secretField() }),
      handle: async ({ input, principal, request }) =>
        showWritten(await createHook(services, vendors, principal, input), {}, request),
    }),
    route({
      ...shared,
      call: 'GET /v1/hooks',
      operationId: 'listHooks',
      summary: 'List the hooks with what they received',
      output: () => z.array(shown()),
      handle: async () => {
        const [items, statuses] = await Promise.all([hooks.list(), readStatuses(table)]);
        return items.map((item) => show(item, statuses.get(item.id) ?? {}));
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/hooks/{id}',
      operationId: 'getHook',
      summary: 'Get a hook with what it received and why it last refused a post',
      output: shown,
      handle: async ({ params }) => one(await find(params)),
    }),
    route({
      ...shared,
      call: 'PATCH /v1/hooks/{id}',
      operationId: 'changeHook',
      summary: 'Change a hook; a new `verify` or secret takes effect within ten seconds, without overlap',
      write: true,
      input: () => ({
        name: z.optional(text(100)),
        verify: field(z.optional(z.looseObject({ kind: z.optional(text(60)) })), {
          description:
            'As for a new hook. Fields that you omit keep their values, including the secret, if the kind is the same; another kind replaces everything.',
        }),
        dedupe: z.optional(z.nullable(dedupeInput())),
        allowFrom: z.optional(z.nullable(limitInputs().allowFrom)),
        silentAfterSeconds: z.optional(z.nullable(limitInputs().silentAfterSeconds)),
        perMinute: z.optional(limitInputs().perMinute),
        methods: z.optional(z.nullable(receivingInputs().methods)),
        challenge: z.optional(z.nullable(receivingInputs().challenge)),
        answer: z.optional(z.nullable(receivingInputs().answer)),
        redact: z.optional(z.nullable(receivingInputs().redact)),
        seal: z.optional(z.nullable(receivingInputs().seal)),
      }),
      output: () => z.extend(shown(), { secret: secretField() }),
      handle: async ({ params, input, principal, request }) => {
        const before = await find(params);
        const written = await patchHook(services, vendors, principal, before, input);
        return showWritten(written, await readStatus(table, before.id), request);
      },
    }),
    route({
      ...shared,
      call: 'PUT /v1/hooks/{id}',
      operationId: 'putHook',
      summary: 'Create the hook with this name, or replace its settings; an existing hook keeps its URL and secret',
      write: true,
      input: () => ({
        ...hookFields(vendors),
        name: z.optional(hookFields(vendors).name),
        verify: field(z.union([hookFields(vendors).verify, z.looseObject({ kind: z.string() })]), {
          description: 'As for a new hook, or as GET returns it; then the secret is kept.',
        }),
        ...readOnly(),
      }),
      output: () => z.extend(shown(), { url: z.optional(urlField()), secret: secretField() }),
      handle: async ({ params: { id: key = '' }, input, principal, request }) => {
        const before = await findHook(hooks, key).catch(undefinedIfNotFound);
        const ignored = readOnly();
        const given = Object.entries(input).filter(([name]) => !Object.hasOwn(ignored, name));
        const name = input.name ?? before?.name ?? key;
        if (!before && name !== key) throw refusedField('/name', `must be ${JSON.stringify(key)}, as in the address`);
        const written = await putHook(services, vendors, principal, { ...Object.fromEntries(given), name }, before);
        const status = before ? await readStatus(table, before.id) : {};
        const answer = showWritten(written, status, request);
        return before ? answer : new Answer(201, answer);
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/hooks/{id}/rotate',
      operationId: 'rotateHook',
      summary: 'Rotate the URL or the secret of a hook; the old one keeps working for a while',
      write: true,
      input: () => ({
        what: z._default(z.enum(['url', 'secret']), 'url'),
        secret: field(z.optional(text(500)), {
          description: 'With `what: secret`, the new secret; generated if omitted.',
          writeOnly: true,
        }),
        user: z.optional(userAndPassword().user),
        password: z.optional(userAndPassword().password),
        overlapSeconds: overlapSeconds(),
      }),
      output: () => z.extend(shown(), { url: z.optional(urlField()), secret: secretField() }),
      handle: async ({ params, input, request }) => {
        const before = await find(params);
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
      call: 'GET /v1/hooks/{id}/refusals',
      operationId: 'listHookRefusals',
      summary: `List the last ${keptRefusals} refused posts with their reasons, newest first`,
      output: () =>
        z.array(
          z.looseObject({
            at: z.string(),
            status: z.int(),
            reason: z.string(),
            body: field(z.optional(z.string()), { description: 'The body as text, redacted and cut to 2 kB.' }),
          }),
        ),
      handle: async ({ params }) => listRefusals(table, (await find(params)).id, services.clock.now()),
    }),
    route({
      ...shared,
      call: 'POST /v1/hooks/{id}/test',
      operationId: 'testHook',
      summary: 'Store a message as if the sender had posted it; the automations that it starts are real',
      write: true,
      status: 202,
      input: () => ({ body: field(z.unknown(), { description: 'The body of the message, any JSON value.' }) }),
      output: () => z.looseObject({ eventId: z.string() }),
      handle: async ({ params, input }) => ({ eventId: await sendTest(services, await find(params), input.body) }),
    }),
    route({
      ...shared,
      call: 'DELETE /v1/hooks/{id}',
      operationId: 'deleteHook',
      summary: 'Delete a hook; its URL stops working everywhere within ten seconds',
      write: true,
      status: 204,
      handle: async ({ params }) => {
        const { id } = await find(params);
        const users = await usersOf(id);
        if (users.length > 0) throw inUse('The hook', users);
        await hooks.remove(id);
        await secrets.delete(hookSecret(id));
      },
    }),
  ];
}

/** The next secret of a hook, checked by the schema of its kind. */
function nextSecret(
  { verify }: HookItem,
  given: { secret?: string | undefined; user?: string | undefined; password?: string | undefined },
  vendors: EventCatalogue,
  random: Random,
): { value: string; made: boolean } {
  if (!hasSecret(verify)) {
    throw refusedField('/what', `must be url: a hook of the kind ${verify.kind} has no separate secret`);
  }
  const parsed = verifyInput(vendors).safeParse({ ...settingsOf(verify), ...given });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refusedField(`/${issue?.path.join('/') || 'secret'}`, `does not fit a hook of the kind ${verify.kind}`);
  }
  const secret = secretOf(parsed.data, random);
  if (!secret) throw refusedField('/secret', 'is required');
  return secret;
}

/** A hook in the response to a write, with the values that are shown only once. */
function showWritten({ item, token, secret }: WrittenHook, status: HookStatus, request: HttpRequest) {
  return {
    ...show(item, status),
    ...(token !== undefined && { url: urlOf(request, token) }),
    ...(secret !== undefined && { secret }),
  };
}

export function urlOf(request: HttpRequest, token: string): string {
  return `${serverUrl(request)}/hooks/${token}`;
}

function show(item: HookItem, status: HookStatus) {
  const { id, name, verify, dedupe, allowFrom, perMinute, silentAfterSeconds, createdAt, updatedAt, rotatedAt } = item;
  const { received = 0, repeated = 0, refused: refusals = 0, lastReceivedAt, lastBody, lastProblem } = status;
  const { lastRefusedAt, lastRefusal, lastRefusalStatus, handshakes = 0, lastHandshakeAt } = status;
  const { methods, challenge, answer, redact, seal } = item;
  return {
    id,
    name,
    verify,
    dedupe,
    allowFrom,
    perMinute,
    silentAfterSeconds,
    methods,
    challenge,
    answer,
    redact,
    seal,
    handshakes,
    lastHandshakeAt,
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
