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

/** Compares the clocks. The `Date` header has whole seconds, so the difference is taken from the middle of the second. */
function compareClocks(date: string | null, sentAt: number): void {
  const theirs = Date.parse(date ?? '');
  if (!Number.isNaN(theirs)) clockDifferenceMs.value = Math.round((sentAt + Date.now()) / 2 - (theirs + 500));
}

async function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  let answer: Response;
  const sentAt = Date.now();
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
    });
  } catch {
    throw new Problem(0, 'unreachable', 'Trunkline does not answer. Check that it runs and that you are online.');
  }
  if (path === '/health') compareClocks(answer.headers.get('date'), sentAt);
  const text = await answer.text();
  const json = /json/.test(answer.headers.get('content-type') ?? '');
  const read: unknown = json && text !== '' ? JSON.parse(text) : undefined;
  // Failing health has status 503, but is still a valid response.
  if (answer.ok || (path === '/health' && read !== undefined)) return read;
  if (answer.status === 401 && signIn.peek()) signIn.value = null;
  // The form of every problem document of the API.
  const problem = (read ?? {}) as { code?: string; message?: string; errors?: Problem['errors'] };
  throw new Problem(
    answer.status,
    problem.code ?? 'unknown',
    problem.message ?? `Trunkline answered with status ${answer.status}.`,
    problem.errors,
  );
}

/** Calls the API. The answer has the form that the API's document gives for the call; the console is built with the same version. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await request(method, path, body)) as T;
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
  try {
    signIn.value = (await request('GET', '/v1/sign-in')) as SignIn;
  } catch {
    signIn.value = null;
  }
}

/** Exchanges a key for the cookie. Throws a `Problem` if the key is rejected. */
export async function signInWith(key: string): Promise<void> {
  signIn.value = (await request('POST', '/v1/sign-in', undefined, { authorization: `Bearer ${key}` })) as SignIn;
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/v1/sign-in').catch(() => undefined);
  signIn.value = null;
}
