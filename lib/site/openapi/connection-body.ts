import * as z from 'zod/mini';
import { commonSettings } from '../../connections/input.ts';
import { GatewayError } from '../../core/errors.ts';
import { sampleOf } from '../../core/json-schema/sample.ts';
import { isSchema, type JsonSchema } from '../../core/json-schema/schema.ts';
import type { Shape } from '../../core/operation.ts';
import { pascalCase } from '../../core/pascal-case.ts';
import type { Catalogue, Vendor } from '../../core/vendor.ts';
import type { Part } from './problems.ts';
import type { SchemaComponents } from './schema-components.ts';

/** The body of `createConnection`: one form for each vendor, with its own settings and credentials. */
export function connectionBody(declared: Shape, vendors: Catalogue, schemas: SchemaComponents): Part {
  const known = Object.values(vendors);
  const forms = known.map((vendor) => {
    const prefix = pascalCase(vendor.name);
    const form = schemas.of(formOf(declared, vendor), { prefix, operation: 'connection', answer: false });
    return { vendor, sample: connectionSample(vendor, form), component: schemas.define(`${prefix}Connection`, form) };
  });
  return {
    required: true,
    content: {
      'application/json': {
        schema: {
          oneOf: forms.map(({ component }) => component),
          discriminator: {
            propertyName: 'vendor',
            mapping: Object.fromEntries(forms.map(({ vendor, component }) => [vendor.name, component.$ref])),
          },
        } satisfies JsonSchema,
        examples: Object.fromEntries(
          forms.map(({ vendor, sample }) => [vendor.name, { summary: vendor.title, value: sample }]),
        ),
      },
    },
  };
}

function formOf(declared: Shape, vendor: Vendor) {
  return z.strictObject({
    ...declared,
    vendor: z.literal(vendor.name),
    settings: z.strictObject({ ...vendor.connection.settings(), ...commonSettings() }),
    credentials: z.strictObject(vendor.connection.credentials()),
  });
}

type Sample = Record<'settings' | 'credentials', Record<string, unknown>>;

/** A connection that the vendor's own rule takes too, which may ask for fields that the schema leaves open. */
function connectionSample(vendor: Vendor, form: JsonSchema): unknown {
  const least = sampleOf(form);
  const ways = [undefined, ...Object.keys(fieldsOf(form, 'credentials'))];
  for (const way of ways) {
    // The form has both parts, and so has every sample of it.
    const sample = structuredClone(least) as Sample;
    if (way !== undefined) sample.credentials[way] = sampleOf(fieldsOf(form, 'credentials')[way] ?? {});
    if (completed(vendor, form, sample)) return sample;
  }
  return least;
}

/** Adds what the vendor's rule says is required, one by one; false where that does not lead to its consent. */
function completed(vendor: Vendor, form: JsonSchema, sample: Sample): boolean {
  for (;;) {
    try {
      vendor.connection.validate?.(sample.settings, sample.credentials);
      return true;
    } catch (error) {
      const [refused] = (error instanceof GatewayError && error.errors) || [];
      const [, part, name = ''] = refused?.pointer.match(/^\/(settings|credentials)\/(\w+)$/) ?? [];
      if (part !== 'settings' && part !== 'credentials') return false;
      const schema = fieldsOf(form, part)[name];
      if (!schema || Object.hasOwn(sample[part], name)) return false;
      sample[part][name] = sampleOf(schema);
    }
  }
}

function fieldsOf(form: JsonSchema, part: keyof Sample): Record<string, JsonSchema> {
  const parts = isSchema(form.properties) ? form.properties : {};
  const inner = isSchema(parts[part]) ? parts[part].properties : {};
  // The properties of a schema made from an object of ours are schemas.
  return isSchema(inner) ? (inner as Record<string, JsonSchema>) : {};
}
