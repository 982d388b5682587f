import { parseExact } from '../../sandbox/timetonic/exact-json.ts';
import type { TimetonicSandbox } from '../../sandbox/timetonic/index.ts';

/** An answer of the stand-in, integers beyond 2^53 as bigint. */
export interface Answer {
  status: string;
  /** The message of a refusal. */
  error?: string;
  [name: string]: unknown;
}

/** The value at a dotted path of an answer; undefined if there is none. */
export function at(answer: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, step) => (value as Record<string, unknown> | null | undefined)?.[step], answer);
}

/** A plain client of the stand-in TimeTonic. */
export interface TimetonicClient {
  /** The caller's fields, with a live session. */
  me: { version: string; o_u: string; u_c: string; sesskey: string };
  oauthkey: string;
  /** Sends fields as they stand. */
  send(fields: Record<string, string>): Promise<Answer>;
  /** Sends a request as the logged-in user. */
  call(req: string, fields?: Record<string, string>): Promise<Answer>;
  /** Fetches a file below `/live/dbi/`. */
  file(path: string): Promise<Response>;
  /** Why the last request was refused. */
  refusal(): string | undefined;
}

/** Logs a user in through the whole chain of keys. */
export async function logIn(
  sandbox: Pick<TimetonicSandbox, 'baseUrl' | 'journal'>,
  login = 'demo',
): Promise<TimetonicClient> {
  const send = async (fields: Record<string, string>): Promise<Answer> => {
    const response = await fetch(`${sandbox.baseUrl}/api.php`, { method: 'POST', body: new URLSearchParams(fields) });
    return parseExact(await response.text()) as Answer;
  };
  const version = '1.47';
  const key = async (name: string, fields: Record<string, string>) =>
    String((await send({ version, ...fields }))[name]);
  const appkey = await key('appkey', { req: 'createAppkey', appname: 'test' });
  const oauthkey = await key('oauthkey', { req: 'createOauthkey', login, pwd: `${login}-password`, appkey });
  const sesskey = await key('sesskey', { req: 'createSesskey', o_u: login, u_c: login, oauthkey });
  const me = { version, o_u: login, u_c: login, sesskey };
  return {
    me,
    oauthkey,
    send,
    call: (req, fields = {}) => send({ ...me, req, ...fields }),
    file: (path) => fetch(`${sandbox.baseUrl}/dbi/${path}`, { method: 'POST', body: new URLSearchParams(me) }),
    refusal: () => sandbox.journal.at(-1)?.refusal,
  };
}
