import * as z from 'zod/mini';
import type { Shape } from '../../core/operation.ts';
import type { Catalogue, Vendor } from '../../core/vendor.ts';
import { commonSettings } from '../connection-input.ts';
import type { Part } from './problems.ts';
import { sampleOf } from './sample.ts';
import type { JsonSchema } from './schema.ts';
import type { SchemaComponents } from './schema-components.ts';
import { pascalCase } from './schema-names.ts';

/** The body of `createConnection`: one form for each vendor, with its own settings and credentials. */
export function connectionBody(declared: Shape, vendors: Catalogue, schemas: SchemaComponents): Part {
  const known = Object.values(vendors);
  const forms = known.map((vendor) => {
    const prefix = pascalCase(vendor.name);
    const form = schemas.of(formOf(declared, vendor), { prefix, operation: 'connection', answer: false });
    return { vendor, form, sample: sampleOf(form), component: schemas.define(`${prefix}Connection`, form) };
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
