import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { field, integer, named, text } from '../../core/field.ts';
import { operationsOf } from '../../core/operation.ts';
import type { Proptt2Path } from './wire/send.ts';
import type { Proptt2Call } from './wire/session-request.ts';

/** A declaration of ProPTT2: its call is a method and path, or a function of several such requests. */
export const operation = operationsOf<Proptt2Path, Proptt2Call>();

/** Ids in paths; the vendor calls them cid, uid, oid and rid. */
export const channelId = () =>
  field(integer(0), {
    wire: 'cid',
    description: "The channel's id, not its number.",
    examples: [1],
    choices: { kind: 'channels' },
  });
export const userId = () =>
  field(integer(0), {
    wire: 'uid',
    description: "The user's number, not the e-mail.",
    examples: [1],
    choices: { kind: 'users' },
  });
export const organizationId = () =>
  field(integer(0), { wire: 'oid', examples: [1], choices: { kind: 'organizations' } });
export const recordId = () => field(integer(0), { wire: 'rid', examples: [1] });

/** The number of a message, 1 to 32767; by default, the connection counts. */
export const messageId = () =>
  field(z.optional(integer(1, 32_767)), { description: 'If omitted, the connection numbers its messages.' });

/** Accepts plain text; sends Base64 of its UTF-8 bytes. */
export const message = () =>
  field(
    z.optional(
      z.pipe(
        text(),
        z.transform((plain: string) => Buffer.from(plain, 'utf8').toString('base64')),
      ),
    ),
    {
      wire: 'messageContent',
      description: 'Plain text; it is sent as Base64 of its UTF-8 bytes.',
      examples: ['Fire on level 3'],
    },
  );

/** Accepts a plain password; sends lower-case hexadecimal SHA-512 of its UTF-8 bytes. */
export const password = () =>
  field(
    z.pipe(
      text(500),
      z.transform((plain: string) => createHash('sha512').update(plain, 'utf8').digest('hex')),
    ),
    { wire: 'hashedPassword', description: 'In plain text; only its SHA-512 is sent.', writeOnly: true },
  );

/** A channel number: text; a number is accepted too. */
export const channelNo = () =>
  field(
    z.pipe(
      z.union([text(50), integer(0)]),
      z.transform((no: string | number) => String(no)),
    ),
    { description: 'Channel number as people dial it.', examples: ['12'] },
  );

/** An assignable user type: 50 normal, 70 channel leader, 80 dispatcher, 90 manager. */
export const userType = () =>
  field(z.union([z.literal(50), z.literal(70), z.literal(80), z.literal(90)]), {
    description: '50 normal, 70 channel leader, 80 dispatcher, 90 manager.',
  });

/** A member's role: 10 normal, 20 receiver, 90 operator. Requires server 3.2.0. */
export const role = () =>
  field(z.union([z.literal(10), z.literal(20), z.literal(90)]), {
    description: '10 normal, 20 receiver, 90 operator. Default 10.',
  });

/** The index of the first record and the number of records to return. */
export const paging = () => ({
  start: field(z.optional(integer(0)), { description: 'Index of the first record, from 0.' }),
  pageSize: z.optional(integer(1, 1000)),
});

const drifting = () => z.union([z.number(), z.string()]);
/** An id or type that the vendor sends as a number or its digits: always a number. */
export const id = () =>
  z.pipe(
    z.union([z.number(), z.string().check(z.regex(/^-?\d+(?:\.\d+)?$/))]),
    z.transform((value: number | string) => Number(value)),
  );
/** A channel number that the vendor sends as text or number: always text. */
export const no = () =>
  z.pipe(
    drifting(),
    z.transform((value: number | string) => String(value)),
  );
/** A coordinate in degrees; null if it is empty, zero or not a number. */
export const coordinate = () =>
  z.pipe(
    z.nullable(drifting()),
    z.transform((value: number | string | null) => {
      const degrees = value === null || value === '' ? Number.NaN : Number(value);
      return Number.isFinite(degrees) && degrees !== 0 ? degrees : null;
    }),
  );

/** The vendor's `{"code":"200"}`. */
export const done = () => named('Code', z.looseObject({ code: z.string() }));
export const created = () => named('Id', z.looseObject({ id: id() }));

export const user = () =>
  named(
    'User',
    z.looseObject({
      id: id(),
      strId: no(),
      name: z.string(),
      type: z.optional(id()),
      role: z.optional(id()),
      latitude: z.optional(coordinate()),
      longitude: z.optional(coordinate()),
      locationDate: z.optional(z.string()),
    }),
  );

export const record = () =>
  named(
    'Record',
    z.looseObject({
      id: id(),
      type: id(),
      status: id(),
      fileSize: id(),
      ownerId: id(),
      ownerName: z.string(),
      createDate: z.string(),
      channelId: z.optional(id()),
      channelNo: z.optional(no()),
      channelName: z.optional(z.string()),
    }),
  );

/** The entries of a list in a response; none if it has another form. */
export function recordsIn(body: unknown, name: string): Record<string, unknown>[] {
  const list: unknown = body !== null && typeof body === 'object' ? Reflect.get(body, name) : undefined;
  if (!Array.isArray(list)) return [];
  return list.filter((each): each is Record<string, unknown> => each !== null && typeof each === 'object');
}
