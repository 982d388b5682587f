import * as z from 'zod/mini';
import { operation } from '../fields.ts';
import { readCapabilities } from '../session.ts';
import { dialectOf } from '../wire/dialect.ts';

/** The server itself. */
export const serverOperations = {
  getCapabilities: operation({
    summary: 'Tell what the server can do, read anew',
    description: 'What Nextcloud says of itself to this account, and the dialect that follows from it.',
    effect: 'read',
    input: () => ({}),
    output: () =>
      z.looseObject({
        version: z.looseObject({ string: z.string() }),
        capabilities: z.looseObject({}),
        dialect: z.looseObject({ rooms: z.string(), chat: z.string(), signaling: z.string(), maxLength: z.int() }),
      }),
    route: null,
    call: async (_input, _send, call) => {
      const { offered, session } = await readCapabilities(call);
      const { rooms, chat, signaling, maxLength } = dialectOf(session);
      // The output schema describes the rest.
      const told = offered as { version: { string: string }; capabilities: Record<string, unknown> };
      return { ...told, dialect: { rooms, chat, signaling, maxLength } };
    },
  }),
};
