import type { Readable } from 'node:stream';
import type { IdempotencyServices, JsonAnswer } from '../api/idempotency.ts';
import type { Principal } from '../api/keys/key-check.ts';
import type { Pause } from '../api/pause/pause.ts';
import { operationNeed, requireScope } from '../api/scopes.ts';
import { coerceQuery } from '../core/coerce.ts';
import { GatewayError } from '../core/errors.ts';
import { didYouMean } from '../core/nearest.ts';
import { type Operation, parseInput, schemasOf } from '../core/operation.ts';
import { maskerOf, maskIn, maskKnownIn } from '../core/redaction/redact.ts';
import type { Connection, Vendor, VendorAnswer, VendorCall } from '../core/vendor.ts';
import { writeOnlyFields, writeOnlyValues } from '../core/write-only.ts';
import type { Connections } from './connections.ts';
import { type CallScope, type CallServices, withVendorCall } from './vendor-calls.ts';

export interface GatewayServices extends CallServices, IdempotencyServices {
  connections: Connections;
  pause: Pause;
  /** Starts a one-step run for a call that takes too long. Returns the run's id. */
  startRun?(request: SlowCall): Promise<string>;
}

/** A call handed on to a run. */
export interface SlowCall {
  principal: Principal;
  vendor: string;
  connection: string;
  operation: string;
  input: Record<string, unknown>;
  requestId: string;
}

/** One call of an operation, from any source: HTTP, an automation's step, a run. */
export interface Invocation {
  principal: Principal;
  connection: string;
  operation: string;
  input: Record<string, unknown>;
  idempotencyKey?: string | undefined;
  /** Set when the caller asked for `respond-async`. */
  later?: boolean;
}

/** Bytes that a vendor returned. */
export interface FileAnswer {
  status: number;
  file: { stream: Readable; type: string; name?: string; size?: number };
}

export type InvokeAnswer = JsonAnswer | FileAnswer;

/** How many times a read is tried in all. */
const readAttempts = 3;

/** The declared operation of a vendor, or `not_found` with the nearest names. */
export function operationOf(vendor: Vendor, name: string): Operation {
  const operation = Object.hasOwn(vendor.operations, name) ? vendor.operations[name] : undefined;
  if (operation) return operation;
  throw new GatewayError('not_found', noOperation(vendor, name));
}

/** The sentence for an operation that a vendor does not have, with the nearest names. */
export function noOperation(vendor: Vendor, name: string): string {
  const near = didYouMean(name, Object.keys(vendor.operations)) || ' See /docs for all of them.';
  return `${vendor.title} has no operation ${JSON.stringify(name.slice(0, 80))}.${near}`;
}

/** Runs one operation of one connection: scope, input, idempotency, session, the vendor, the answer. */
export async function invoke(
  services: GatewayServices,
  vendor: Vendor,
  invocation: Invocation,
  scope: CallScope,
): Promise<InvokeAnswer> {
  const { operation, input, connection } = await prepare(services, vendor, invocation);
  const run = async (asked?: () => void): Promise<InvokeAnswer> => {
    if (services.startRun && (invocation.later || operation.slow?.(input))) {
      if ('file' in input) await (await import('../core/given-file.ts')).requireUpload(services.files, input);
      const id = await services.startRun({
        principal: invocation.principal,
        vendor: vendor.name,
        connection: connection.name,
        operation: invocation.operation,
        input: await sealedInput(services, vendor, operation, invocation.input),
        requestId: scope.requestId,
      });
      return { status: 202, headers: { location: `/v1/runs/${id}` }, body: { id, status: 'running' } };
    }
    if (operation.effect === 'write' || operation.effect === 'destructive') await services.pause.check();
    const observed = asked ? { ...scope, onRequest: asked } : scope;
    // As it was given, and as the vendor gets it.
    const secrets = [invocation.input, input].flatMap((each) => writeOnlyValues(operation, each));
    const answer = perform(
      services,
      vendor,
      connection,
      invocation.operation,
      operation,
      input,
      observed,
      invocation.principal.scopes,
    );
    return secrets.length === 0 ? answer : withoutSecrets(answer, secrets);
  };
  if (invocation.idempotencyKey === undefined || operation.effect === 'read') return run();
  const { once } = await import('../api/idempotency.ts');
  return once(
    services,
    {
      area: vendor.name,
      keyId: invocation.principal.keyId,
      key: invocation.idempotencyKey,
      requestId: scope.requestId,
      fingerprint: [vendor.name, connection.name, invocation.operation, invocation.input],
    },
    async (asked) => {
      const answer = await run(asked);
      if ('file' in answer) throw new GatewayError('internal', 'A write answered with a file.');
      return answer;
    },
  );
}

/** Everything before a call of a vendor that can refuse it: the scope, the input, the connection. */
export async function prepare(
  services: { connections: Connections },
  vendor: Vendor,
  { principal, connection: name, operation: operationName, input: given }: Invocation,
): Promise<{ operation: Operation; input: Record<string, unknown>; connection: Connection }> {
  const operation = operationOf(vendor, operationName);
  requireScope(principal.scopes, operationNeed(vendor.name, name, operationName, operation.effect));
  const input = parseInput(schemasOf(operation).input, given);
  const connection = await services.connections.find(vendor.name, name);
  checkConnection(vendor, connection, operationName, operation);
  return { operation, input, connection };
}

/** The input of a call that is made later, with what nobody may read in the meantime encrypted. */
async function sealedInput(
  { secrets }: GatewayServices,
  vendor: Vendor,
  operation: Operation,
  input: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  if (writeOnlyFields(operation).length === 0) return input;
  const { sealInput } = await import('./sealed-input.ts');
  return sealInput(secrets, vendor.name, operation, input);
}

/** An answer or error of a vendor that repeats a password it was given, without it: both are stored and logged. */
export async function withoutSecrets(answer: Promise<InvokeAnswer>, secrets: readonly string[]): Promise<InvokeAnswer> {
  const masker = maskerOf(secrets);
  try {
    const given = await answer;
    return 'file' in given ? given : { ...given, body: maskIn(given.body, masker) };
  } catch (error) {
    if (error instanceof GatewayError) error.message = masker(error.message);
    throw error;
  }
}

/**
 * Only the vendor part, for callers that have checked scope and input: one call under the retry rule of its effect. What `scopes`
 * may list helps to explain a 404.
 */
export function perform(
  services: CallServices & { connections: Connections },
  vendor: Vendor,
  connection: Connection,
  name: string,
  operation: Operation,
  input: Record<string, unknown>,
  scope: CallScope,
  scopes: readonly string[] = [],
): Promise<InvokeAnswer> {
  return withVendorCall(services, vendor, connection, scope, async (call) => {
    try {
      return await attempts(services, vendor, call, name, operation, input);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status !== 404 || !error.vendor) throw error;
      const { withKnownValues } = await import('./known-values.ts');
      throw await withKnownValues(error, vendor, call, operation, input, scopes);
    }
  });
}

async function attempts(
  services: CallServices,
  vendor: Vendor,
  call: VendorCall,
  name: string,
  operation: Operation,
  input: Record<string, unknown>,
): Promise<InvokeAnswer> {
  const { signal } = call;
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await vendor.send(name, operation, input, call);
      return await answerOf(services, call, name, operation, answer);
    } catch (error) {
      const again =
        error instanceof GatewayError &&
        (operation.effect === 'read' ? worthAnother(error) : error.outcome === 'no' && neverArrived(error));
      if (!again || attempt >= readAttempts || signal.aborted) throw error;
      await services.clock
        .sleep(100 * 3 ** (attempt - 1) * (0.5 + services.random.number()), signal)
        .catch(() => undefined);
      if (signal.aborted) throw error;
    }
  }
}

/** The response in the declared form. Parts that do not match are returned as the vendor sent them, and named in a header and one log line. */
async function answerOf(
  services: CallServices,
  { connection, requestId }: VendorCall,
  name: string,
  operation: Operation,
  answer: VendorAnswer,
): Promise<InvokeAnswer> {
  if ('file' in answer) return { status: 200, file: answer.file };
  const status = answer.status ?? 200;
  const { output } = schemasOf(operation);
  const parsed = output.safeParse(answer.body);
  if (parsed.success) return { status, body: parsed.data };
  const { normalizeAnswer } = await import('../core/answer-shape.ts');
  const { body, mismatches } = normalizeAnswer(output, answer.body);
  services.vendorShape?.({
    vendor: connection.vendor,
    connection: connection.name,
    operation: name,
    path: mismatches[0] ?? '',
    paths: mismatches,
    requestId,
  });
  // An answer in another form may be an echo of the request, with its keys.
  return { status, headers: { 'vendor-shape': shapeHeader(mismatches) }, body: maskKnownIn(body) };
}

/** A structured-field list of strings: the JSON pointers of what has another form. */
function shapeHeader(mismatches: readonly string[]): string {
  return mismatches
    .slice(0, 5)
    .map((pointer) => `"${pointer.replace(/[^\x20-\x7e]/g, '_').replace(/["\\]/g, '\\$&')}"`)
    .join(', ');
}

function worthAnother(error: GatewayError): boolean {
  return (
    error.code === 'vendor_unreachable' ||
    error.code === 'vendor_timeout' ||
    (error.code === 'vendor_failed' && error.retryable)
  );
}

/** A write can be retried if no connection was established: then the vendor cannot have received it. */
function neverArrived(error: GatewayError): boolean {
  return error.code === 'vendor_unreachable';
}

function checkConnection(vendor: Vendor, connection: Connection, name: string, operation: Operation): void {
  const { needs } = operation;
  if (needs && Reflect.get(connection.settings, needs.setting) === undefined) {
    throw new GatewayError('invalid_request', needs.message, { vendor: vendor.name });
  }
  if (operation.since === undefined || !vendor.connection.supports) return;
  if (vendor.connection.supports(connection.settings, operation.since)) return;
  throw new GatewayError(
    'vendor_too_old',
    `${name} needs ${vendor.title} ${operation.since} or newer; the connection's serverVersion says older. Upgrade the server or correct the setting.`,
    { vendor: vendor.name },
  );
}

/** The input of a GET: query strings coerced by the operation's schema. */
export function queryInput(operation: Operation, query: Iterable<[string, string]>): Record<string, unknown> {
  return coerceQuery(schemasOf(operation).shape, query);
}
