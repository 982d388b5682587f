import * as z from 'zod/mini';
import { field, integer, named, text } from '../../../core/field.ts';
import { id } from '../fields.ts';

const filter = () =>
  z.strictObject({
    id: z._default(z.union([z.string(), integer(0)]), 'tmpId'),
    field_id: id(),
    filter_type: z._default(text(40), 'text'),
    json: z.strictObject({
      predicate: text(40),
      operand: z._default(z.union([z.string(), z.number(), z.boolean()]), ''),
    }),
  });

/** A saved view, the last selected one (`true`), or one defined for this request. */
const view = () =>
  z.union([
    z.literal(true),
    id(),
    z.looseObject({
      filterGroup: z.strictObject({ operator: z.enum(['and', 'or']), filters: z.array(filter()) }),
    }),
  ]);

interface RowFilter {
  row_ids?: string[] | undefined;
  exclude?: boolean | undefined;
  applyViewFilters?: unknown;
}

const given = () =>
  z.union([
    named(
      'RowFilter',
      z
        .strictObject({
          row_ids: z.optional(z.array(id()).check(z.minLength(1))),
          exclude: z.optional(z.boolean()),
          applyViewFilters: z.optional(view()),
        })
        .check(z.refine(isPlain, 'exclude: false makes TimeTonic ignore applyViewFilters; leave exclude out')),
    ),
    z
      .string()
      .check(
        z.regex(
          /^\s*!?\s*\d{1,19}(?:\s*,\s*\d{1,19})*\s*$/,
          'must be ids parted by commas, with ! in front to leave them out',
        ),
      ),
  ]);

/** Every form that the document shows; it is sent as one form field. */
export const filterRowIds = () =>
  field(
    z.pipe(
      given(),
      z.transform((rows: z.output<ReturnType<typeof given>>) => (typeof rows === 'string' ? rows : filterText(rows))),
    ),
    {
      description:
        'Which rows: `{row_ids, exclude, applyViewFilters}`, where the view is an id, `true` for the view last selected, or filters for this request; or ids separated by commas, with `!` in front to exclude them.',
      examples: [{ applyViewFilters: 264449 }],
    },
  );

/** Only the ids, for `rowIds` of getTableRows. */
export const rowIds = () =>
  field(
    z.pipe(
      z.array(id()).check(z.minLength(1), z.maxLength(1000)),
      z.transform((ids: string[]) => `[${ids.join(',')}]`),
    ),
    { description: 'Only these rows.', examples: [['19975055']] },
  );

/** The view of a pivot table, repeated as a filter (the document requires it). */
export const pivotFilter = () =>
  field(
    z.pipe(
      z.strictObject({ applyViewFilters: id() }),
      z.transform(({ applyViewFilters }: { applyViewFilters: string }) => `{"applyViewFilters":${applyViewFilters}}`),
    ),
    { description: '`{"applyViewFilters": viewId}`, the same view again.', examples: [{ applyViewFilters: 264449 }] },
  );

/** JSON with ids as numbers with all their digits. */
function filterText({ row_ids, exclude, applyViewFilters }: RowFilter): string {
  const parts: string[] = [];
  if (row_ids) parts.push(`"row_ids":[${row_ids.join(',')}]`);
  if (exclude !== undefined) parts.push(`"exclude":${exclude}`);
  if (typeof applyViewFilters === 'string') parts.push(`"applyViewFilters":${applyViewFilters}`);
  else if (applyViewFilters !== undefined) parts.push(`"applyViewFilters":${JSON.stringify(applyViewFilters)}`);
  return `{${parts.join(',')}}`;
}

function isPlain(given: RowFilter): boolean {
  return !(given.exclude === false && given.applyViewFilters !== undefined);
}
