import { createRequire } from 'node:module';
import { createConfig, lintFromString, type NormalizedProblem } from '@redocly/openapi-core';
import { controlRoutes } from '../../lib/aws/control-routes.ts';
import type { Services } from '../../lib/aws/services.ts';
import { eventTypesOf } from '../../lib/events/event-types.ts';
import type { ApiDescription, OpenApiDocument } from '../../lib/site/openapi/document.ts';
import { vendors } from '../../lib/vendors/index.ts';

/** The API as the functions declare it. Declaring the routes calls no service, so they are given none. */
export function declaredApi(): ApiDescription {
  return { vendors, routes: controlRoutes({} as Services, vendors), eventTypes: eventTypesOf(vendors) };
}

/**
 * What an independent linter finds, warnings too, in words. Its recommended rules are all on; samples of events may hold fields
 * that are not declared, because answers are open by design: a vendor that adds a field breaks nobody.
 */
export async function lint(document: object): Promise<string[]> {
  const samples = { severity: 'warn', allowAdditionalProperties: true } as const;
  const config = await createConfig({
    extends: ['recommended'],
    rules: { 'no-invalid-media-type-examples': samples },
  });
  const source = JSON.stringify(document, null, 1);
  const problems: NormalizedProblem[] = await lintFromString({ source, config, absoluteRef: '/openapi.json' });
  return problems.map(
    ({ ruleId, severity, message, location }) =>
      `${severity} ${ruleId}: ${message} at ${location[0]?.pointer ?? 'the document'}`,
  );
}

export type Check = ((value: unknown) => boolean) & { errors?: unknown };
interface Validator {
  addSchema(schema: object, key: string): void;
  compile(schema: object): Check;
}

/** Compiles the schema at a JSON pointer of the document with the linter's own JSON Schema engine, in the 2020-12 dialect. */
export function schemaCompiler(document: OpenApiDocument): (...steps: string[]) => Check {
  // The linter brings the engine; it is not ours to depend on under its own name.
  const ofLinter = createRequire(createRequire(import.meta.url).resolve('@redocly/openapi-core'));
  const { default: Ajv } = ofLinter('@redocly/ajv/dist/2020.js') as { default: new (options: object) => Validator };
  const addFormats = (ofLinter('ajv-formats') as { default: (validator: Validator) => void }).default;
  const validator = new Ajv({ strict: false, allErrors: true, discriminator: false });
  addFormats(validator);
  validator.addSchema(document, 'api');
  return (...steps) => {
    const pointer = steps.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
    return validator.compile({ $ref: `api#${encodeURI(pointer)}` });
  };
}
