import * as z from 'zod/mini';
import type { Principal } from '../api/keys/key-check.ts';
import { mayRead } from '../api/scopes.ts';
import type { Connections } from '../connections/connections.ts';
import { readCredentials } from '../connections/credentials.ts';
import { refusedField } from '../core/errors.ts';
import { field, integer, named, text } from '../core/field.ts';
import { networkProblem } from '../core/networks.ts';
import { pascalCase } from '../core/pascal-case.ts';
import type { SecretStore } from '../core/secrets.ts';
import { isSigningSecret, isPublicKey as isWebhookKey } from '../core/standard-webhooks.ts';
import type { EventCatalogue, EventfulVendor } from '../core/vendor.ts';
import { validate } from '../expressions/expression.ts';
import { expressionText } from '../expressions/expression-text.ts';
import { type ChallengePreset, challengePresets } from './challenge.ts';
import { type HookDedupe, type HookVerify, hookAnswers, hookMethods } from './hooks.ts';
import { defaultSeconds } from './message.ts';
import { type Preset, presets } from './verify/presets.ts';
import { isPublicKey } from './verify/sendgrid.ts';

const day = 86_400;
export const defaultPerMinute = 600;

const plainSecret = () => z.string().check(z.minLength(8), z.maxLength(500), z.regex(/^\S+$/, 'must hold no space'));
const given = <T extends z.ZodMiniType>(schema: T, description: string) =>
  field(schema, { description, writeOnly: true });
const madeIfAbsent = 'The secret; if omitted, one is generated and shown once.';

/** A secret of Standard Webhooks. */
export const signingSecret = () =>
  given(
    z
      .string()
      .check(
        z.refine(
          (text) => isSigningSecret(text) || isWebhookKey(text),
          'must be whsec_ and Base64 of 24 to 64 bytes, or whpk_ and Base64 of 32 bytes',
        ),
      ),
    `${madeIfAbsent} Senders that generate their own show one that begins with whsec_, or a public key that begins with whpk_.`,
  );

/** One kind of verification. */
function form<const Kind extends string, S extends z.core.$ZodLooseShape>(kind: Kind, fields: S) {
  return named(`Verify${pascalCase(kind)}`, z.strictObject({ kind: z.literal(kind), ...fields }));
}

/** The `verify` of a hook in requests; kinds of vendors name a connection. */
export function verifyInput(vendors: EventCatalogue) {
  return z.discriminatedUnion('kind', [
    form('none', {}),
    form('standard-webhooks', { secret: z.optional(signingSecret()) }),
    form('hmac', { secret: z.optional(given(plainSecret(), madeIfAbsent)), ...hmacFields() }),
    form('header', {
      header: headerName('The header that holds the secret.'),
      secret: z.optional(given(plainSecret(), madeIfAbsent)),
    }),
    ...presetKinds(),
    form('twilio', { secret: given(plainSecret(), "The account's auth token.") }),
    form('mailgun', { secret: given(plainSecret(), 'The HTTP webhook signing key that Mailgun shows.') }),
    form('sendgrid', {
      secret: given(
        z.string().check(z.refine(isPublicKey, 'must be the public key as SendGrid shows it')),
        'The verification key that SendGrid shows.',
      ),
    }),
    form('sns', {
      topicArn: field(
        z.string().check(z.regex(/^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w.-]{1,256}$/, 'must be the ARN of a topic')),
        {
          description: 'The topic whose messages are accepted.',
          examples: ['arn:aws:sns:eu-west-1:123456789012:alarms'],
        },
      ),
    }),
    form('github', { secret: z.optional(given(plainSecret(), madeIfAbsent)) }),
    form('stripe', { secret: given(plainSecret(), 'The signing secret that Stripe shows for the endpoint.') }),
    form('bearer', { secret: z.optional(given(plainSecret(), madeIfAbsent)) }),
    form('basic', userAndPassword()),
    ...pushKinds(vendors).map(({ kind }) =>
      form(kind, {
        connection: field(text(60), { description: 'A connection, or vendor/connection.', examples: ['dispatch'] }),
      }),
    ),
  ]);
}

/** The senders that are known by name, each with the secret that it or we make. */
function presetKinds() {
  return Object.entries(presets).map(([kind, preset]: [string, Preset]) =>
    form(kind, {
      secret: preset.theirs
        ? given(plainSecret(), 'The signing secret that the sender shows.')
        : z.optional(
            given(
              plainSecret(),
              preset.handshake ? 'The secret; if omitted, the first handshake sets it.' : madeIfAbsent,
            ),
          ),
    }),
  );
}

const headerName = (description: string) =>
  field(z.string().check(z.regex(/^[\w-]{1,100}$/, 'must be the name of a header')), {
    description,
    examples: ['X-Signature'],
  });

const hmacFields = () => ({
  header: headerName('The header with the signature.'),
  algorithm: z._default(z.enum(['sha256', 'sha1', 'sha512']), 'sha256'),
  encoding: z._default(z.enum(['hex', 'base64']), 'hex'),
  prefix: field(z.optional(text(40)), { description: 'The text before the signature.', examples: ['sha256='] }),
  signed: field(z._default(z.string().check(z.regex(/\{body\}/, 'must hold {body}'), z.maxLength(200)), '{body}'), {
    description: 'The text that is signed, with `{body}`, `{timestamp}` and `{url}`.',
    examples: ['{timestamp}.{body}'],
  }),
  timestampHeader: z.optional(headerName('The header with the time of the signature, in seconds since the epoch.')),
  toleranceSeconds: field(z.optional(integer(1, 86_400)), {
    description: 'The allowed difference to the current time. Default 300.',
  }),
});

export type VerifyInput = z.output<ReturnType<typeof verifyInput>>;

/** User and password of HTTP Basic. */
export const userAndPassword = () => ({
  user: field(text(200).check(z.regex(/^[^:]*$/, 'must hold no colon')), { examples: ['panel'] }),
  password: given(text(500), 'The password that the sender sends.'),
});

/** What distinguishes a repeated message from a new one. */
export const dedupeInput = () =>
  field(
    z
      .strictObject({
        header: field(z.optional(text(100)), {
          description: 'A header that identifies the message.',
          examples: ['x-event-id'],
        }),
        key: field(z.optional(expressionText()), {
          description: 'An expression over `event` whose value identifies the message.',
          examples: ['{% event.data.body.event_id %}'],
        }),
        body: field(z.optional(z.literal(true)), { description: 'Messages with the same bytes are the same message.' }),
        seconds: field(z.optional(integer(1, 30 * day)), {
          description: `How long a message counts. Default ${defaultSeconds.id} for ids and headers, ${defaultSeconds.key} for keys and bodies.`,
        }),
      })
      .check(
        z.refine(
          ({ header, key, body }) => [header, key, body].filter((each) => each !== undefined).length <= 1,
          'must have one of header, key and body',
        ),
      ),
    { description: "How a repeated message is recognised. By default, by the sender's own message id." },
  );

const place = () =>
  z.string().check(z.regex(/^(?:headers|query|body)\.[^{}]{1,200}$/, 'must be headers.…, query.… or body.…'));

/** How a hook receives and answers, beyond a message that is posted. */
export const receivingInputs = () => ({
  methods: field(z.array(z.enum(hookMethods)).check(z.minLength(1)), {
    description: 'The methods that deliver a message; the query of a GET is the message. Default: only POST.',
    examples: [['POST', 'GET']],
  }),
  challenge: field(
    z.union([
      // The names are those of the presets.
      z.enum(Object.keys(challengePresets) as [ChallengePreset, ...ChallengePreset[]]),
      named(
        'Challenge',
        z.strictObject({
          method: z.enum(['GET', 'HEAD', 'OPTIONS', 'POST']),
          match: z.optional(z.record(place(), z.union([z.literal(true), text(200)]))),
          status: z.optional(integer(200, 299)),
          headers: z.optional(
            z.record(z.string().check(z.regex(/^[\w-]{1,100}$/)), z.string().check(z.maxLength(500))),
          ),
          body: z.optional(z.union([z.string().check(z.maxLength(1000)), z.record(z.string(), z.string())])),
        }),
      ),
    ]),
    {
      description:
        "How the sender's handshake is answered: the name of a known one, or a method, the places that must match, and a response in which `{query.challenge}` is replaced by the value that was sent.",
      examples: ['microsoft-graph'],
    },
  ),
  answer: field(z.literal(hookAnswers), {
    description: 'The status of the response to a stored message. Default 202.',
    examples: [200],
  }),
  redact: field(pathsInput(), {
    description: 'Values that events do not contain, as paths below `data`; `*` matches every member.',
    examples: [['body.password', 'body.users.*.pin']],
  }),
  seal: field(pathsInput(), {
    description:
      'Values that are stored encrypted and never returned, as paths; automations can pass them to write-only fields such as `password`.',
    examples: [['body.password']],
  }),
});

/** Paths to values of a message. */
const pathsInput = () =>
  z
    .array(
      z
        .string()
        .check(z.regex(/^(?:body|query|headers)(?:\.[^.]{1,100}){1,20}$/, 'must be a path such as body.password')),
    )
    .check(z.minLength(1), z.maxLength(50));

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
      'Raises `trunkline.hook.silent` after this many seconds without a message, for senders that are never quiet.',
  }),
  perMinute: field(integer(1, 60_000), {
    description: `Messages a minute that one process takes. Default ${defaultPerMinute}.`,
  }),
});

/** The kinds of hook that vendors add, with whose they are. */
export function pushKinds(vendors: EventCatalogue): { kind: string; vendor: EventfulVendor }[] {
  return Object.values(vendors).flatMap((vendor) => Object.keys(vendor.pushes ?? {}).map((kind) => ({ kind, vendor })));
}

/** The stored form of `verify`. For the kind of a vendor, its connection must exist and be visible to the key. */
export async function resolveVerify(
  { connections, secrets }: { connections: Connections; secrets: SecretStore },
  vendors: EventCatalogue,
  principal: Principal,
  input: VerifyInput,
): Promise<HookVerify> {
  if (input.kind === 'hmac' && 'signed' in input) {
    const { kind, secret: _secret, ...hmac } = input;
    if (hmac.signed.includes('{timestamp}') !== (hmac.timestampHeader !== undefined)) {
      throw refusedField('/verify/timestampHeader', 'goes with {timestamp} in signed');
    }
    return { kind, hmac };
  }
  if ('topicArn' in input) return { kind: input.kind, topicArn: input.topicArn };
  if ('header' in input) return { kind: input.kind, header: input.header };
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
  const push = found?.vendor.pushes?.[input.kind];
  const problem = found && push?.problem?.(await readCredentials(secrets, found.vendor, known, true));
  if (problem !== undefined) throw refusedField('/verify/connection', problem);
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
