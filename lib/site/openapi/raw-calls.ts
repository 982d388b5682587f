import type { Vendor } from '../../core/vendor.ts';
import { answerHeaders, type Part, problemsOf } from './problems.ts';
import { optionalHeaders } from './vendor-calls.ts';

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;

export const rawTag = 'Raw requests';

/** The two path items under which a vendor's undeclared endpoints are reached: the path as steps, or in the query. */
export function rawPaths(vendor: Vendor): Record<string, Part> {
  const asSteps = { name: 'path', in: 'path', required: true, schema: { type: 'string' }, description: pathText };
  const asQuery = { ...asSteps, in: 'query', description: `${pathText} In this form it may contain percent signs.` };
  return {
    [`/v1/${vendor.name}/{connection}/raw/{path}`]: pathItem(vendor, '', asSteps),
    [`/v1/${vendor.name}/{connection}/raw`]: pathItem(vendor, '.query', asQuery),
  };
}

const pathText = "The path of the vendor's endpoint; slashes are not encoded.";

function pathItem(vendor: Vendor, suffix: string, path: Part): Part {
  const more = {
    name: 'query',
    in: 'query',
    description: 'Passed on to the vendor, without the fields that Trunkline adds (such as the key of the session).',
    schema: { type: 'object', additionalProperties: { type: 'string' } },
  };
  const calls = methods.map((method): [string, Part] => {
    const writes = method !== 'get';
    const hasBody = writes && method !== 'delete';
    const statuses = [400, 401, 403, 404, 422, 424, 429, 500, 502, 503, 504];
    return [
      method,
      {
        tags: [rawTag],
        operationId: `${vendor.name}.raw.${method}${suffix}`,
        summary: `${method.toUpperCase()} any endpoint of ${vendor.title}`,
        description: `${method.toUpperCase()} any endpoint of ${vendor.title}. For endpoints that are not declared; Trunkline adds the session. A request that matches a declared operation is carried out as that operation. ${
          writes ? 'Treated as a write.' : 'Treated as a read.'
        }\n\nScope: \`${vendor.name}/{connection}/raw\` by its exact name.`,
        'x-effect': writes ? 'write' : 'read',
        'x-mcp': false,
        ...(writes && { 'x-optional-headers': optionalHeaders(true, false) }),
        ...(hasBody && {
          requestBody: {
            content: { 'application/json': { schema: { type: 'object', additionalProperties: true }, example: {} } },
          },
        }),
        responses: {
          200: {
            description: "The vendor's answer: JSON, or the bytes of a file.",
            headers: answerHeaders(),
            content: { 'application/json': { schema: {} }, '*/*': { schema: {} } },
          },
          ...problemsOf([...statuses, ...(writes ? [409] : []), ...(hasBody ? [413, 415] : [])]),
        },
      },
    ];
  });
  return {
    parameters: [{ $ref: '#/components/parameters/connection' }, path, more],
    ...Object.fromEntries(calls),
  };
}
