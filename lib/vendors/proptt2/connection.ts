import * as z from 'zod/mini';
import { vendorError } from '../../core/errors.ts';
import { field, integer, text } from '../../core/field.ts';
import type { InputOf } from '../../core/operation.ts';
import { isTimeZone } from '../../core/zone-time.ts';

/** An error of this vendor. */
export const proptt2Error = vendorError('proptt2');

/** The settings of a ProPTT2 connection, in addition to those of every vendor. */
export type Proptt2Settings = InputOf<ReturnType<typeof settings>>;
export type Proptt2Credentials = InputOf<ReturnType<typeof credentials>>;

/** The schemas are functions, so that a cold start builds only the ones it uses. */
export const settings = () => ({
  cloudUrl: field(z.url(), {
    description: 'The cloud or your own server, without /openapi.',
    examples: ['https://cloud.example.com'],
  }),
  ownerId: field(text(200), {
    description: "The company owner's id, the sender of everything.",
    examples: ['owner@company.com'],
    wire: 'id',
  }),
  hid: field(integer(1, 10), {
    description: 'Source host id, 1 to 10; each connecting system needs its own.',
  }),
  serverVersion: field(
    z.optional(z.string().check(z.regex(/^\d{1,3}(\.\d{1,4}){0,3}$/, 'must be a version such as 3.2.0'))),
    {
      description: 'Version of the ProPTT2 server. If set, operations that it lacks fail with vendor_too_old.',
    },
  ),
  timeZone: field(
    z.optional(z.string().check(z.refine(isTimeZone, 'must be an IANA time zone such as Europe/Paris'))),
    {
      description: 'IANA zone of the dates that the server sends. Default UTC.',
    },
  ),
  idStyle: field(z.optional(z.enum(['email', 'local'])), {
    description: 'Whether user ids are full e-mail addresses (own server) or the part before the @ (cloud).',
  }),
  keepWarm: field(z.optional(z.boolean()), { description: 'Keep the session alive every few minutes. Default true.' }),
});

export const credentials = () => ({
  interactionKey: field(text(500), {
    description: 'As entered in adminWeb under company information.',
    writeOnly: true,
  }),
});

/** True when `version` is at least `since`, compared number by number; an unset version passes. */
export function supports(version: string | undefined, since: string): boolean {
  if (version === undefined) return true;
  const have = version.split('.').map(Number);
  const need = since.split('.').map(Number);
  for (let at = 0; at < need.length; at++) {
    const difference = (have[at] ?? 0) - (need[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
