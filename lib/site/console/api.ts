import { computed, signal } from '@preact/signals';

/** Who is signed in, and what the key behind it may do. */
export interface SignIn {
  id: string;
  name: string;
  scopes: string[];
  csrfToken: string;
  expiresAt: string;
}

/** What went wrong with a call: the API's problem document, or that there was no response. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: readonly { pointer: string; message: string }[];

  constructor(status: number, code: string, message: string, errors: Problem['errors'] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

/** The codes of problems without a response of the API, and without a problem document. */
const unreachable = 'unreachable';
const noCode = 'unknown';

/** Undefined until it is known whether someone is signed in. Null if nobody is. */
export const signIn = signal<SignIn | null | undefined>(undefined);
const scopes = computed(() => signIn.value?.scopes ?? []);

/** Whether the key may read or write one of Trunkline's control areas. */
export function may(area: string, access: 'read' | 'write'): boolean {
  return scopes.value.some((scope) => {
    const [vendor, connection, operation] = scope.split('/');
    if (scope === '*/*/*') return true;
    return (
      vendor === 'trunkline' &&
      (connection === '*' || connection === area) &&
      (operation === '*' || operation === access)
    );
  });
}

/** Whether the key may call an operation of a vendor at a connection. */
export function mayCall(vendor: string, connection: string, operation: string): boolean {
  const need = [vendor, connection, operation];
  return scopes.value.some((scope) => scope.split('/').every((part, at) => part === '*' || part === need[at]));
}

export const isAdmin = (): boolean => scopes.value.includes('*/*/*');

/** By how much the clock of this computer is ahead of Trunkline's, in milliseconds; undefined until it is known. */
export const clockDifferenceMs = signal<number | undefined>(undefined);

/** A response that took longer, in milliseconds, does not tell when its clock was read. */
const comparableMs = 2_000;

/** Compares the clocks. The `Date` header has whole seconds, so the difference is taken from the middle of the second. */
function compareClocks(date: string | null, sentAt: number): void {
  const theirs = Date.parse(date ?? '');
  if (!Number.isNaN(theirs) && Date.now() - sentAt <= comparableMs)
    clockDifferenceMs.value = Math.round((sentAt + Date.now()) / 2 - (theirs + 500));
}

/** No answer takes longer, in milliseconds: a function has 29 seconds. A connection that is dead says nothing at all. */
const answerWithinMs = 35_000;

async function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  let answer: Response;
  let read: unknown;
  const sentAt = Date.now();
  const given = new AbortController();
  const timer = setTimeout(() => given.abort(), answerWithinMs);
  try {
    answer = await fetch(path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(method !== 'GET' && signIn.peek() && { 'x-csrf-token': signIn.peek()?.csrfToken ?? '' }),
        ...headers,
      },
      credentials: 'same-origin',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: given.signal,
    });
    const text = await answer.text();
    if (text !== '' && /json/.test(answer.headers.get('content-type') ?? '')) read = JSON.parse(text);
  } catch {
    const cause = 'Check that it runs and that you are online';
    const message =
      method === 'GET'
        ? `Trunkline does not answer. ${cause}.`
        : `Trunkline did not answer, so it is not known whether this was done. ${cause}, then try again: it is not done twice.`;
    throw new Problem(0, unreachable, message);
  } finally {
    clearTimeout(timer);
  }
  if (path === '/health') compareClocks(answer.headers.get('date'), sentAt);
  // Failing health has status 503, but is still a valid response.
  if (answer.ok || (path === '/health' && read !== undefined)) return read;
  if (answer.status === 401 && signIn.peek()) signIn.value = null;
  // The form of every problem document of the API.
  const problem = (read ?? {}) as { code?: string; message?: string; errors?: Problem['errors'] };
  throw new Problem(
    answer.status,
    problem.code ?? noCode,
    problem.message ?? `Trunkline answered with status ${answer.status}.`,
    problem.errors,
  );
}

/** Calls the API. The answer has the form that the API's document gives for the call; the console is built with the same version. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await request(method, path, body)) as T;
}

/** The idempotency keys of posts that have no answer yet, by what is posted. */
const unanswered = new Map<string, string>();

/** Posts what must not happen twice. If the answer is lost, the same post sent again is answered with what the first one did. */
export async function callOnce<T>(path: string, body: unknown): Promise<T> {
  const posted = JSON.stringify([path, body]);
  const key = unanswered.get(posted) ?? newKey();
  unanswered.set(posted, key);
  try {
    const answer = (await request('POST', path, body, { 'idempotency-key': key })) as T;
    unanswered.delete(posted);
    return answer;
  } catch (error) {
    const { code } = error as Problem;
    if (code !== unreachable && code !== noCode && code !== 'idempotency_in_progress') unanswered.delete(posted);
    throw error;
  }
}

/** 128 random bits. `crypto.randomUUID` is missing where the console is served without TLS. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');
}

/** Finds out who is signed in: with the token of a link, or with the cookie of an earlier visit. */
export async function begin(): Promise<void> {
  const token = /^#sign-in=(tlo_[\w-]+)$/.exec(location.hash)?.[1];
  if (token !== undefined) {
    history.replaceState(null, '', location.pathname);
    try {
      await signInWith(token);
      return;
    } catch {
      // The link was already used, perhaps by this browser. Its cookie is then still valid.
    }
  }
  await resume();
}

/** Why it could not be found out who is signed in. */
export const signInProblem = signal<Problem | undefined>(undefined);

/** Signs in with the cookie of an earlier visit. */
export async function resume(): Promise<void> {
  try {
    signIn.value = (await request('GET', '/v1/sign-in')) as SignIn;
    signInProblem.value = undefined;
  } catch (error) {
    const problem = error as Problem;
    // Without a cookie, the answer is 401.
    signInProblem.value = problem.status === 401 ? undefined : problem;
    signIn.value = null;
  }
}

/** Exchanges a key for the cookie. Throws a `Problem` if the key is rejected. */
export async function signInWith(key: string): Promise<void> {
  signIn.value = (await request('POST', '/v1/sign-in', undefined, { authorization: `Bearer ${key}` })) as SignIn;
}

/** Ends the sign-in. If that fails, the cookie still works, so the page goes on to be signed in. */
export async function signOut(): Promise<void> {
  await request('DELETE', '/v1/sign-in');
  signIn.value = null;
}
