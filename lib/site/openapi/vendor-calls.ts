import { forgetNames } from '../../core/json-schema/plain.ts';
import { sampleOf } from '../../core/json-schema/sample.ts';
import { isSchema, type JsonSchema } from '../../core/json-schema/schema.ts';
import { type Operation, schemasOf } from '../../core/operation.ts';
import { pascalCase } from '../../core/pascal-case.ts';
import type { Vendor } from '../../core/vendor.ts';
import { codeOfStatus } from '../../core/vendor-failure.ts';
import { answerHeaders, type Part, problemsOf } from './problems.ts';
import type { SchemaComponents } from './schema-components.ts';

/** What the document needs in addition to the declarations. */
export interface DocumentParts {
  schemas: SchemaComponents;
  /** True if runs exist. A call can then become a run and return 202. */
  runs: boolean;
}

/** The path items of every operation of a vendor, by path. */
export function vendorPaths(vendor: Vendor, surroundings: DocumentParts): Record<string, Part> {
  return Object.fromEntries(
    Object.entries(vendor.operations).map(([name, operation]) => [
      `/v1/${vendor.name}/{connection}/${name}`,
      pathItem(vendor, name, operation, surroundings),
    ]),
  );
}

function pathItem(vendor: Vendor, name: string, operation: Operation, { schemas, runs }: DocumentParts): Part {
  const place = { prefix: pascalCase(vendor.name), operation: name };
  const built = schemasOf(operation);
  const input = schemas.of(built.input, { ...place, answer: false });
  const sample = inputSample(operation, input);
  const reads = operation.effect === 'read';
  const answers = (method: 'GET' | 'POST') => {
    const output = schemas.of(built.output, { ...place, answer: true });
    return responses(vendor, operation, output, method, runs);
  };
  const shared = {
    tags: [vendor.title],
    summary: operation.summary,
    description: describe(vendor, name, operation, runs),
    externalDocs: { url: operation.documentation ?? vendor.documentation },
    'x-effect': operation.effect,
    ...(operation.since !== undefined && { 'x-since': operation.since }),
    ...(typeof operation.call === 'string' && { 'x-vendor-call': operation.call }),
    ...(operation.errors && { 'x-vendor-errors': operation.errors }),
  };
  const get = () => ({
    ...shared,
    operationId: `${vendor.name}.${name}.get`,
    // The same as the POST: a tool needs one of them.
    'x-mcp': false,
    parameters: queryParameters(input, sample),
    responses: answers('GET'),
  });
  const post = {
    ...shared,
    operationId: `${vendor.name}.${name}`,
    'x-optional-headers': optionalHeaders(!reads, runs),
    requestBody: jsonRequestBody(input, sample),
    responses: answers('POST'),
  };
  return { parameters: [{ $ref: '#/components/parameters/connection' }], ...(reads && { get: get() }), post };
}

/**
 * Headers that change what a call does. They are described in the introduction and are not parameters: importers of collections send
 * every parameter, filled in with a placeholder.
 */
export function optionalHeaders(writes: boolean, runs: boolean): string[] {
  return [...(writes ? ['Idempotency-Key'] : []), ...(runs ? ['Prefer'] : [])];
}

/** A JSON body; it may be left out where no field is required. */
export function jsonRequestBody(input: JsonSchema, sample: unknown): Part {
  return {
    required: requiredOf(input).length > 0,
    content: { 'application/json': { schema: input, ...(sample !== undefined && { example: sample }) } },
  };
}

/** The fields of an input as query parameters; lists and objects are sent as JSON. */
export function queryParameters(input: JsonSchema, sample?: unknown): Part[] {
  const required = requiredOf(input);
  return Object.entries(isSchema(input.properties) ? input.properties : {}).map(([name, declared]) => {
    const schema = isSchema(declared) ? structuredClone(declared) : {};
    forgetNames(schema);
    const { description, 'x-wire-name': wire } = schema;
    delete schema.description;
    delete schema['x-wire-name'];
    const example: unknown = isSchema(sample) && Object.hasOwn(sample, name) ? sample[name] : undefined;
    return {
      name,
      in: 'query',
      ...(description !== undefined && { description }),
      ...(required.includes(name) && { required: true }),
      ...(wire !== undefined && { 'x-wire-name': wire }),
      ...(isStructured(schema)
        ? { content: { 'application/json': { schema, ...(example !== undefined && { example }) } } }
        : { schema, ...(example !== undefined && { example }) }),
    };
  });
}

function isStructured(schema: JsonSchema): boolean {
  if (schema.type === 'object' || schema.type === 'array') return true;
  const options = [schema.anyOf, schema.oneOf].find(Array.isArray) ?? [];
  return options.length > 0 && options.every((option: unknown) => isSchema(option) && isStructured(option));
}

/** The declared sample, or one made from the schema where the operation's own schema takes it. */
function inputSample(operation: Operation, input: JsonSchema): unknown {
  const sample = operation.example ?? sampleOf(input);
  return schemasOf(operation).input.safeParse(sample).success ? sample : undefined;
}

function responses(
  vendor: Vendor,
  operation: Operation,
  output: JsonSchema,
  method: 'GET' | 'POST',
  runs: boolean,
): Part {
  const meanings = new Map<number, string>();
  for (const [code, meaning] of Object.entries(operation.errors ?? {})) {
    const status = Object.hasOwn(codeOfStatus, code) ? Number(code) : ({ 401: 424, 426: 424, 429: 429 }[code] ?? 502);
    if (!/^[45]\d\d$/.test(code)) continue;
    const before = meanings.get(status);
    meanings.set(status, before === undefined ? meaning : `${before}; ${meaning}`);
  }
  const writes = operation.effect !== 'read';
  const own = [400, 401, 403, 404, 422, 424, 429, 500, 502, 503, 504];
  const withBody = method === 'POST' ? [413, 415] : [];
  const bytes = schemasOf(operation).output._zod.def.type === 'file';
  const headers = answerHeaders(...(writes ? ['IdempotentReplayed'] : []));
  const description = operation.effect === 'session' ? 'Done.' : "The vendor's answer, with its field names.";
  const answer = { description, headers, content: { 'application/json': { schema: output } } };
  return {
    200: bytes
      ? { description: "The file's bytes, with their own content type.", headers, content: { '*/*': {} } }
      : answer,
    ...(operation.creates && { 201: { ...answer, description: `${description} It was created by this call.` } }),
    ...(bytes && { 303: { $ref: '#/components/responses/FileElsewhere' } }),
    // Sent without `Prefer: respond-async`, too: callers that send it expect a 202 from every operation.
    ...(runs && operation.slow && { 202: { $ref: '#/components/responses/Accepted' } }),
    ...problemsOf([...own, ...withBody, ...(writes ? [409] : [])], meanings, vendor.errorCodes),
  };
}

function describe(vendor: Vendor, name: string, operation: Operation, runs: boolean): string {
  const scope = `\`${vendor.name}/{connection}/${name}\``;
  const exact = operation.effect === 'destructive' || operation.effect === 'session';
  const refusals = Object.entries(operation.errors ?? {}).map(([code, meaning]) => `- \`${code}\`: ${meaning}`);
  return [
    [`${operation.summary}.`, operation.description].filter((each) => each !== undefined).join(' '),
    effectSentences[operation.effect],
    operation.since !== undefined &&
      `Since ${vendor.title} ${operation.since}; if the connection's server is older, the response is 424 \`vendor_too_old\`.`,
    runs &&
      operation.slow &&
      'An input that may take longer than a call becomes a run, even without `Prefer: respond-async`: 202.',
    exact ? `Needs the scope ${scope} by its exact name: a wildcard does not cover it.` : `Scope: ${scope}.`,
    refusals.length > 0 && `What the vendor's errors mean here:\n${refusals.join('\n')}`,
  ]
    .filter((each) => typeof each === 'string')
    .join('\n\n');
}

const effectSentences: Readonly<Record<Operation['effect'], string>> = {
  read: 'A read: retried if the vendor fails.',
  write: 'A write: sent again only if the vendor certainly did not carry it out.',
  destructive: 'Destroys something at the vendor.',
  session: "Concerns the connection's session.",
};

function requiredOf(schema: JsonSchema): string[] {
  return Array.isArray(schema.required) ? schema.required.map(String) : [];
}
