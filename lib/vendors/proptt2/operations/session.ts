import * as z from 'zod/mini';
import { named } from '../../../core/field.ts';
import { operation } from '../fields.ts';
import { getServer } from '../session.ts';

const sessionState = () => named('SessionKey', z.looseObject({ generation: z.int(), expiresAt: z.iso.datetime() }));

/** The session itself, for operators: every call logs in by itself when necessary. */
export const sessionOperations = {
  getServerUrl: operation({
    summary: 'Get the server that this account is on',
    description: "Renews nothing. The Rand in the vendor's response is not returned: the next login needs it.",
    effect: 'session',
    input: () => ({}),
    output: () => named('ServerUrl', z.looseObject({ ServerURL: z.string() })),
    rawRoute: 'GET /server',
    call: (_input, _send, call) => call.session.exclusively(async () => ({ ServerURL: (await getServer(call)).url })),
  }),
  getSessionKey: operation({
    summary: 'Log in again',
    description: 'Creates and stores a new session. Its key is never returned.',
    effect: 'session',
    input: () => ({}),
    output: sessionState,
    rawRoute: 'POST /auth',
    call: (_input, _send, call) => call.session.renew(),
  }),
  keepAlive: operation({
    summary: 'Keep the session alive',
    description: 'The clock does this for every connection that is kept warm.',
    effect: 'session',
    since: '3.1.2',
    input: () => ({}),
    output: () => z.looseObject({ code: z.string(), generation: z.int(), expiresAt: z.iso.datetime() }),
    rawRoute: 'GET /keepalive',
    call: async (_input, _send, call) => ({ code: '200', ...(await call.session.keepAlive()) }),
  }),
};
