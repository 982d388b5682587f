import type { Account } from './account.ts';
import { ApiError, OutcomeUnknown, Unreachable } from './failures.ts';
import { isRecord } from './output.ts';

export interface ApiRequest {
  body?: unknown;
  query?: Readonly<Record<string, string | number | undefined>>;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** The HTTP API of one installation. */
export interface Api {
  readonly account: Account;
  /** Answers the parsed body. Throws `ApiError` for a refusal, and `Unreachable` or `OutcomeUnknown` when there was no answer. */
  send(method: string, path: string, request?: ApiRequest): Promise<ApiAnswer>;
  get<T = unknown>(path: string, query?: ApiRequest['query']): Promise<T>;
  post<T = unknown>(path: string, body?: unknown): Promise<T>;
}

export function apiOf(account: Account): Api {
  async function send(method: string, path: string, request: ApiRequest = {}): Promise<ApiAnswer> {
    const url = new URL(account.url + path);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    // Under its own key, a write is carried out once, however often it is sent.
    const isRepeatable = method === 'GET' || request.headers?.['idempotency-key'] !== undefined;
    const noAnswer = (cause: unknown): Error => {
      // The user interrupted the request.
      if (request.signal?.aborted) return cause as Error;
      const reason = reasonOf(cause);
      return isRepeatable || isUnsent(cause)
        ? new Unreachable(`${account.url} could not be reached (${reason}). Is it running, and is the address right?`, {
            cause,
          })
        : new OutcomeUnknown(
            `${account.url} did not answer (${reason}), so it is not known whether ${method} ${path} was carried out. Check before you repeat it.`,
            { cause },
          );
    };
    try {
      const answer = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${account.key}`,
          ...(request.body !== undefined && { 'content-type': 'application/json' }),
          ...request.headers,
        },
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
        ...(request.signal && { signal: request.signal }),
      });
      const text = await answer.text();
      const body = /json/.test(answer.headers.get('content-type') ?? '') ? parsed(text) : text;
      if (!answer.ok) throw new ApiError(answer.status, isRecord(body) ? body : foreignProblem(answer, isRepeatable));
      return { status: answer.status, headers: answer.headers, body };
    } catch (error) {
      throw error instanceof ApiError ? error : noAnswer(error);
    }
  }
  // The caller names the shape that the call documents.
  const bodyOf = async <T>(answer: Promise<ApiAnswer>) => (await answer).body as T;
  return {
    account,
    send,
    get: <T>(path: string, query?: ApiRequest['query']) => bodyOf<T>(send('GET', path, query ? { query } : {})),
    post: <T>(path: string, body?: unknown) => bodyOf<T>(send('POST', path, { body: body ?? {} })),
  };
}

function parsed(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text);
}

/** What is known of an answer that the API did not write: a proxy in front of it, or another program at the address. */
function foreignProblem({ status, url }: Response, isRepeatable: boolean): Record<string, unknown> {
  const message = `${new URL(url).origin} answered with ${status} and without an explanation, as a proxy in front of Trunkline does.`;
  if (status === 429 || (status >= 500 && isRepeatable))
    return { message: `${message} Try again later.`, retryable: true };
  if (status < 500) return { message: `${message} Is the address right?` };
  return { message: `${message} Check whether it was carried out before you repeat it.`, code: 'outcome_unknown' };
}

/** Failures before anything was sent. */
const unsentCodes =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|\w+_CERT\w*|ERR_TLS_\w+|ERR_SSL_\w+)$/;

function isUnsent(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return unsentCodes.test(cause?.code ?? '') || cause?.message === 'bad port';
}

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}
