import * as z from 'zod/mini';
import type { Principal } from '../api/key-check.ts';
import { mayRead } from '../api/scopes.ts';
import type { Connections } from '../connections/connections.ts';
import { refusedField } from '../core/errors.ts';
import { field, integer, text } from '../core/field.ts';
import { isSigningSecret } from '../core/standard-webhooks.ts';
import type { EventCatalogue, EventfulVendor } from '../core/vendor.ts';
import { validate } from '../expressions/expression.ts';
import { networkProblem } from './addresses.ts';
import type { HookDedupe, HookVerify } from './hooks.ts';
import { defaultSeconds } from './message.ts';

const day = 86_400;
export const defaultPerMinute = 600;

const plainSecret = () => z.string().check(z.minLength(8), z.maxLength(500), z.regex(/^\S+$/, 'must hold no space'));
const given = <T extends z.ZodMiniType>(schema: T, description: string) =>
  field(schema, { description, writeOnly: true });
const madeIfAbsent = 'The secret; without one it is made, and shown this once.';

/** A secret of Standard Webhooks. */
export const signingSecret = () =>
  given(
    z.string().check(z.refine(isSigningSecret, 'must be whsec_ and Base64 of 24 to 64 bytes')),
    `${madeIfAbsent} Senders that make their own show one that begins with whsec_.`,
  );

/** How a hook knows its sender, as it is written; kinds of vendors name a connection. */
export function verifyInput(vendors: EventCatalogue) {
  return z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('standard-webhooks'), secret: z.optional(signingSecret()) }),
    z.strictObject({ kind: z.literal('github'), secret: z.optional(given(plainSecret(), madeIfAbsent)) }),
    z.strictObject({
      kind: z.literal('stripe'),
      secret: given(plainSecret(), 'The signing secret that Stripe shows for the endpoint.'),
    }),
    z.strictObject({ kind: z.literal('bearer'), secret: z.optional(given(plainSecret(), madeIfAbsent)) }),
    z.strictObject({ kind: z.literal('basic'), ...userAndPassword() }),
    ...pushKinds(vendors).map(({ kind }) =>
      z.strictObject({
        kind: z.literal(kind),
        connection: field(text(60), { description: 'A connection, or vendor/connection.', examples: ['dispatch'] }),
      }),
    ),
  ]);
}

export type VerifyInput = z.output<ReturnType<typeof verifyInput>>;

/** User and password of HTTP Basic. */
export const userAndPassword = () => ({
  user: field(text(200).check(z.regex(/^[^:]*$/, 'must hold no colon')), { examples: ['panel'] }),
  password: given(text(500), 'What the sender gives as the password.'),
});

/** What tells a repeated message from a new one. */
export const dedupeInput = () =>
  field(
    z
      .strictObject({
        header: z.optional(
          field(text(100), { description: 'A header that names the message.', examples: ['x-event-id'] }),
        ),
        key: z.optional(
          field(z.string().check(z.regex(/^\{%[\s\S]*%\}$/, 'must be an expression {% … %}'), z.maxLength(10_000)), {
            description: 'An expression over `event` whose value names the message.',
            examples: ['{% event.data.body.event_id %}'],
          }),
        ),
        body: z.optional(field(z.literal(true), { description: 'The same bytes are the same message.' })),
        seconds: z.optional(
          field(integer(1, 30 * day), {
            description: `How long a message counts. Default ${defaultSeconds.id} for ids and headers, ${defaultSeconds.key} for keys and bodies.`,
          }),
        ),
      })
      .check(
        z.refine(
          ({ header, key, body }) => [header, key, body].filter((each) => each !== undefined).length <= 1,
          'must have one of header, key and body',
        ),
      ),
    { description: "How a repeated message is known. By itself, the sender's own id of a message does it." },
  );

/** What else may be set of a hook. */
export const limitInputs = () => ({
  allowFrom: field(
    z
      .array(
        z.string().check(z.refine((each) => networkProblem(each) === undefined, 'must be an IP address or network')),
      )
      .check(z.minLength(1), z.maxLength(100)),
    { description: 'Addresses and networks that may post.', examples: [['203.0.113.0/24']] },
  ),
  silentAfterSeconds: field(integer(60, 30 * day), {
    description:
      'Raises `trunkline.hook.silent` after so many seconds without a message: for senders that are never quiet.',
  }),
  perMinute: field(integer(1, 60_000), {
    description: `Messages a minute that one process takes. Default ${defaultPerMinute}.`,
  }),
});

/** The kinds of hook that vendors add, with whose they are. */
export function pushKinds(vendors: EventCatalogue): { kind: string; vendor: EventfulVendor }[] {
  return Object.values(vendors).flatMap((vendor) => Object.keys(vendor.pushes ?? {}).map((kind) => ({ kind, vendor })));
}

/** What is stored of how a hook knows its sender; a vendor's kind is held against its connection and what the key may see. */
export async function resolveVerify(
  connections: Connections,
  vendors: EventCatalogue,
  principal: Principal,
  input: VerifyInput,
): Promise<HookVerify> {
  if (!('connection' in input)) return { kind: input.kind };
  const found = pushKinds(vendors).find(({ kind }) => kind === input.kind);
  const [first = '', second] = input.connection.split('/');
  const name = second ?? first;
  const vendor = found?.vendor.name;
  if (vendor === undefined || (second !== undefined && first !== vendor)) {
    throw refusedField('/verify/connection', `must be a connection of ${vendor ?? Object.keys(vendors).join(', ')}`);
  }
  const known = mayRead(principal.scopes, vendor, name)
    ? await connections.find(vendor, name).catch(() => undefined)
    : undefined;
  if (!known) throw refusedField('/verify/connection', `is no ${vendor} connection that this key may see`);
  return { kind: input.kind, vendor, connection: name };
}

/** Throws `invalid_input` for a way of telling repeats that cannot work. */
export async function checkDedupe(dedupe: HookDedupe | null | undefined, verify: HookVerify): Promise<void> {
  if (!dedupe) return;
  if (verify.vendor !== undefined)
    throw refusedField('/dedupe', `has no meaning for ${verify.kind}: the vendor says what is a repeat`);
  const [problem] = dedupe.key === undefined ? [] : await validate(dedupe.key);
  if (problem) throw refusedField('/dedupe/key', `is no valid expression: ${problem.message}`);
}
