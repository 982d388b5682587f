import type { Account } from './account.ts';
import { ApiError, Unreachable } from './failures.ts';

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
  /** Answers the parsed body. Throws `ApiError` for a refusal and `Unreachable` when there was no answer. */
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
    const answer = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${account.key}`,
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      ...(request.signal && { signal: request.signal }),
    }).catch((cause: unknown) => {
      if (request.signal?.aborted) throw cause;
      throw new Unreachable(
        `${account.url} could not be reached (${reasonOf(cause)}). Is it running, and is the address right?`,
        { cause },
      );
    });
    const text = await answer.text();
    const body = /json/.test(answer.headers.get('content-type') ?? '') ? parsed(text) : text;
    if (!answer.ok) {
      throw new ApiError(answer.status, typeof body === 'object' && body !== null ? { ...body } : { message: text });
    }
    return { status: answer.status, headers: answer.headers, body };
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

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}
