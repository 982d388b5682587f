import type { Node } from 'constructs';
import * as z from 'zod/mini';
import { functions } from '../functions/declarations.ts';
import { isOrigin } from '../lib/core/http/allowed-origins.ts';
import { networkProblem } from '../lib/core/networks.ts';

const positive = z.int().check(z.minimum(1));
const settings = z.strictObject({
  /** Receives the alarms, once the address has confirmed the first email. */
  alarmEmail: z.optional(z.email()),
  /** Origins whose web pages may call the API with a key, such as `https://desk.example.com`. */
  allowedOrigins: z.optional(
    z.array(z.string().check(z.refine(isOrigin, 'must be an origin or *'))).check(z.minLength(1)),
  ),
  /** A monitor that is called once a minute while everything works, such as a check at Healthchecks. */
  heartbeat: z.optional(z.url()),
  /** Private networks that every connection may reach, for functions that a VPC lets into them. */
  privateNetworks: z._default(
    z.array(
      z.string().check(
        z.superRefine((text, context) => {
          const problem = networkProblem(text);
          if (problem !== undefined) context.addIssue(`${JSON.stringify(text)} ${problem}`);
        }),
      ),
    ),
    [],
  ),
  /** Starts with all sending paused, for a restored copy. */
  paused: z.optional(z.enum(['on', 'off'])),
  /** The reserved concurrency of a function, which is also its maximum. */
  reservedConcurrency: z._default(z.partialRecord(z.enum(functions.map(({ name }) => name)), positive), {}),
  /** Requests a second that API Gateway lets through, and how many at one moment. */
  throttle: z._default(z.strictObject({ rate: positive, burst: positive }), { rate: 500, burst: 1000 }),
  /** The part of `throttle` that hooks get, which anyone may post to: what is throttled there does not affect other routes. */
  hookThrottle: z._default(z.strictObject({ rate: positive, burst: positive }), { rate: 200, burst: 400 }),
});

/** The settings of a deployment, from the context: `cdk.json` or `-c name=value`, where a value that is not a string is JSON. */
export type Settings = z.output<typeof settings>;

/** Reads the settings; a wrong one is refused by name. */
export function settingsFrom(node: Node): Settings {
  // The CDK stores its own flags and lookups in the same place. Each of their names has a prefix.
  const given = Object.entries(node.getAllContext() as Record<string, unknown>).filter(
    ([name]) => !/^(@|aws|cli-)/.test(name),
  );
  const unknown = given.map(([name]) => name).find((name) => !Object.hasOwn(settings.shape, name));
  if (unknown !== undefined) {
    throw new Error(`The context ${unknown} is not a setting. Settings are ${Object.keys(settings.shape).join(', ')}.`);
  }
  const parsed = settings.safeParse(Object.fromEntries(given.map(([name, value]) => [name, fromText(value)])));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`The context ${issue?.path.join('.')} is not valid: ${issue?.message}`);
}

function fromText(value: unknown): unknown {
  return typeof value === 'string' && /^[{[\d]/.test(value) ? JSON.parse(value) : value;
}
