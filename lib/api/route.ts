import * as z from 'zod/mini';
import { coerceQuery } from '../core/coerce.ts';
import { GatewayError, methodNotAllowed } from '../core/errors.ts';
import { withEvaluationBudget } from '../core/evaluation-budget.ts';
import { parseInput, type Shape } from '../core/operation.ts';
import { pathTemplate } from '../core/path-template.ts';
import { type IdempotencyServices, type JsonAnswer, once } from './idempotency.ts';
import { idempotencyKey } from './idempotency-key.ts';
import type { Principal } from './keys/key-check.ts';
import { type HttpRequest, jsonBody } from './request.ts';
import { type ControlArea, controlNeed, requireScope } from './scopes.ts';

/** The arguments of a control call: the caller, the path's parts and the parsed input. */
export interface RouteCall<Input = Record<string, unknown>> {
  request: HttpRequest;
  principal: Principal;
  params: Readonly<Record<string, string>>;
  input: Input;
}

/** One control call, declared once: the router, the scope check and the OpenAPI document read it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** With `{names}` for single steps. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly tag: string;
  /** Absent for calls that any valid key may make. */
  readonly area?: ControlArea;
  /** Whether the scope needed is write; every write leaves an audit entry. */
  readonly write?: boolean;
  /** Fields of the body, or of the query for GET. */
  readonly input?: () => Shape;
  readonly output?: () => z.ZodMiniType;
  readonly status?: 200 | 201 | 202 | 204;
  readonly handle: (call: RouteCall) => Promise<JsonAnswer | unknown>;
}

/** What an entry records about a call, in addition to the caller. */
export interface Audited {
  route: Route;
  params: Readonly<Record<string, string>>;
  input: Readonly<Record<string, unknown>>;
  outcome: 'done' | 'denied';
  /** The answer, for the id of what was created. */
  answer?: unknown;
}

/** Declares a route by method and path, such as `GET /v1/keys/{id}`; the handler's input has the type of its schema. */
export function route<S extends Shape>(
  declaration: Omit<Route, 'method' | 'path' | 'input' | 'handle'> & {
    call: `${Route['method']} /${string}`;
    input?: () => S;
    handle: (call: RouteCall<z.output<z.ZodMiniObject<S, z.core.$strict>>>) => Promise<JsonAnswer | unknown>;
  },
): Route {
  const { call, ...rest } = declaration;
  const [method, path] = call.split(' ');
  // Stored under its general form: `dispatch` hands it only inputs that its own schema accepted.
  return { ...rest, method, path } as unknown as Route;
}

/** A response with its own status or headers. */
export class Answer implements JsonAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Record<string, string>;

  constructor(status: number, body: unknown, headers: Record<string, string> = {}) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** How long the expressions of one request may be evaluated, in milliseconds: rehearsals and checks must not hold up runs. */
const evaluationMs = 20_000;

/**
 * Calls a route from within another one: with its scope check, its schema and its handler, but without an idempotency key or a
 * separate audit entry. Returns the body of its response.
 */
export async function callRoute(
  { area, write = false, input: shape, handle }: Route,
  call: Pick<RouteCall, 'request' | 'principal'> & { params?: RouteCall['params']; input?: Record<string, unknown> },
): Promise<unknown> {
  if (area) requireScope(call.principal.scopes, controlNeed(area, write));
  const { params = {}, input: given = {}, ...rest } = call;
  const input = parseInput(z.strictObject(shape?.() ?? {}), given);
  const answer = await handle({ ...rest, params, input });
  return answer instanceof Answer ? answer.body : answer;
}

export type Dispatcher = (request: HttpRequest, principal: Principal) => Promise<JsonAnswer>;

/** Finds the route of a request, checks scope and input, and runs it. `audit` receives every write that succeeded or was denied. */
export function dispatcher(
  routes: readonly Route[],
  services: IdempotencyServices,
  audit: (principal: Principal, audited: Audited, request: HttpRequest) => Promise<void>,
): Dispatcher {
  const table = routes.map((each) => ({
    route: each,
    template: pathTemplate(each.path),
    schema: undefined as z.ZodMiniType<Record<string, unknown>> | undefined,
  }));
  return async (request, principal) => {
    const path = request.path.length > 1 ? request.path.replace(/\/$/, '') : request.path;
    const here = table.flatMap((entry) => {
      const params = entry.template.match(path);
      return params ? [{ entry, params }] : [];
    });
    const found = here.find(({ entry }) => entry.route.method === request.method);
    if (!found)
      throw noSuchCall(
        request,
        here.map(({ entry }) => entry.route.method),
      );
    const { entry, params } = found;
    const { route: chosen } = entry;
    const denied = async (input: Record<string, unknown>, error: unknown) => {
      if (!chosen.write || !(error instanceof GatewayError) || error.code !== 'forbidden') return;
      await audit(principal, { route: chosen, params, input, outcome: 'denied' }, request);
    };
    try {
      if (chosen.area) requireScope(principal.scopes, controlNeed(chosen.area, chosen.write ?? false));
    } catch (error) {
      await denied({}, error);
      throw error;
    }
    const shape = chosen.input?.() ?? {};
    entry.schema ??= z.strictObject(shape);
    const given =
      request.method === 'GET' || request.method === 'DELETE' ? coerceQuery(shape, request.query) : jsonBody(request);
    const input = parseInput(entry.schema, given);
    const run = async (): Promise<JsonAnswer> => {
      const budget = { share: `key ${principal.keyId}`, leftMs: evaluationMs, signal: request.signal };
      const handled = withEvaluationBudget(budget, async () => chosen.handle({ request, principal, params, input }));
      const answer = await handled.catch(async (error: unknown) => {
        await denied(input, error);
        throw error;
      });
      const body = answer instanceof Answer ? answer.body : answer;
      if (chosen.write)
        await audit(principal, { route: chosen, params, input, outcome: 'done', answer: body }, request);
      if (answer instanceof Answer) return answer;
      return { status: chosen.status ?? 200, body: chosen.status === 204 ? undefined : answer };
    };
    const key = chosen.write ? idempotencyKey(request.headers['idempotency-key']) : undefined;
    if (key === undefined) return run();
    return once(
      services,
      {
        area: 'control',
        keyId: principal.keyId,
        key,
        requestId: request.requestId,
        fingerprint: [request.method, path, given],
        seal: request.headers.authorization ?? request.headers.cookie ?? '',
      },
      run,
    );
  };
}

function noSuchCall(request: HttpRequest, methods: string[]): GatewayError {
  if (methods.length > 0) {
    // A HEAD arrives here as a GET.
    const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method));
    return methodNotAllowed(request.path, request.method, allowed);
  }
  return new GatewayError('not_found', `There is no ${request.path.slice(0, 200)}. See /docs for every call.`);
}
