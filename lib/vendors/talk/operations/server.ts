import * as z from 'zod/mini';
import { named } from '../../../core/field.ts';
import { operation } from '../fields.ts';
import { readCapabilities } from '../session.ts';
import { dialectOf } from '../wire/dialect.ts';

/** The server itself. */
export const serverOperations = {
  getCapabilities: operation({
    summary: 'Get the capabilities of the server',
    description:
      'The capabilities that Nextcloud reports for this account, and the API versions that Trunkline uses because of them.',
    effect: 'read',
    input: () => ({}),
    output: () =>
      named(
        'Capabilities',
        z.looseObject({
          version: z.looseObject({ string: z.string() }),
          capabilities: z.looseObject({}),
          dialect: z.looseObject({ rooms: z.string(), chat: z.string(), signaling: z.string(), maxLength: z.int() }),
        }),
      ),
    rawRoute: null,
    call: async (_input, _send, call) => {
      const { offered, session } = await readCapabilities(call);
      const { rooms, chat, signaling, maxLength } = dialectOf(session);
      // The output schema describes the rest.
      const reported = offered as { version: { string: string }; capabilities: Record<string, unknown> };
      return { ...reported, dialect: { rooms, chat, signaling, maxLength } };
    },
  }),
};
