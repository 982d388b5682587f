import * as z from 'zod/mini';
import type { Principal } from '../../api/keys/key-check.ts';
import { type Route, route } from '../../api/route.ts';
import { type ControlArea, controlNeed, mayRead, requireScope } from '../../api/scopes.ts';
import { type Choice, choicesOf, matching } from '../../core/choices.ts';
import { GatewayError } from '../../core/errors.ts';
import { field, named } from '../../core/field.ts';
import { parseInput, type Shape } from '../../core/operation.ts';
import type { Catalogue, VendorName } from '../../core/vendor.ts';
import { type GatewayServices, invoke } from '../invoke.ts';
import { vendorOf } from '../records.ts';

/** Choices that Trunkline itself has. */
export interface OwnChoices {
  /** The area a key must be able to read; absent where the list itself leaves out what the key may not see. */
  readonly area?: ControlArea;
  readonly list: (principal: Principal, vendor: VendorName | undefined) => Promise<readonly Choice[]>;
}

const search = () =>
  field(z.string().check(z.maxLength(200)), { description: 'Words to search for; case is ignored.' });
const choice = () =>
  named(
    'Choice',
    z.looseObject({
      id: z.union([z.string(), z.number()]),
      name: z.string(),
      detail: z.optional(z.string()),
      with: field(z.optional(z.record(z.string(), z.union([z.string(), z.number()]))), {
        description: 'Values that this choice determines for other fields.',
      }),
    }),
  );

/** The calls that list what a field may take: for forms, completion and drop-downs. A search without matches returns `[]`. */
export function choiceRoutes(
  services: GatewayServices,
  vendors: Catalogue,
  own: Readonly<Record<string, OwnChoices>>,
): Route[] {
  const shared = { tag: 'Choices', output: () => z.array(choice()) } as const;
  const everyOwn = { ...own, connections: connectionChoices(services, vendors) };
  return [
    route({
      ...shared,
      call: 'GET /v1/choices/{kind}',
      operationId: 'listChoices',
      summary: `List choices in Trunkline: ${Object.keys(everyOwn).join(', ')}`,
      input: () => ({
        q: z.optional(search()),
        vendor: field(z.optional(z.enum(Object.keys(vendors))), {
          description: 'Only connections or event types of this vendor.',
        }),
      }),
      handle: async ({ params: { kind = '' }, input, principal }) => {
        const source = sourceOf(everyOwn, kind, 'Trunkline');
        if (source.area) requireScope(principal.scopes, controlNeed(source.area, false));
        return matching(await source.list(principal, input.vendor), input.q);
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/choices/{vendor}/{connection}/{kind}',
      operationId: 'listVendorChoices',
      summary: `List choices at a vendor. ${kindsOf(vendors)}`,
      input: () => ({ ...parametersOf(vendors), q: z.optional(search()) }),
      handle: async ({ params, input: { q, ...given }, principal, request }) => {
        const vendor = vendorOf(vendors, params.vendor ?? '');
        const source = sourceOf(vendor.choices, params.kind ?? '', vendor.title);
        const of = parseInput(z.strictObject(source.of?.() ?? {}), given);
        const answer = await invoke(
          services,
          vendor,
          {
            principal,
            connection: params.connection ?? '',
            operation: source.operation,
            input: source.input?.(of) ?? of,
          },
          { requestId: request.requestId, signal: request.signal },
        );
        return matching(choicesOf(source.read('file' in answer ? undefined : answer.body, of)), q);
      },
    }),
  ];
}

function connectionChoices({ connections }: GatewayServices, vendors: Catalogue): OwnChoices {
  return {
    list: async ({ scopes }, vendor) => {
      const names = Object.keys(vendors).filter((name) => vendor === undefined || vendor === name);
      const items = (await Promise.all(names.map((name) => connections.list(name)))).flat();
      return items
        .filter(({ vendor, name }) => mayRead(scopes, vendor, name))
        .map(({ vendor, name }) => ({
          id: `${vendor}/${name}`,
          name,
          detail: vendors[vendor]?.title ?? vendor,
        }));
    },
  };
}

function sourceOf<T>(sources: Readonly<Record<string, T>>, kind: string, whose: string): T {
  const source = Object.hasOwn(sources, kind) ? sources[kind] : undefined;
  if (source) return source;
  throw new GatewayError(
    'not_found',
    `${whose} has no choices of the kind ${JSON.stringify(kind.slice(0, 80))}. It has ${Object.keys(sources).join(', ')}.`,
  );
}

function kindsOf(vendors: Catalogue): string {
  return Object.values(vendors)
    .map(({ title, choices }) => `${title}: ${Object.keys(choices).join(', ')}.`)
    .join(' ');
}

/** Every parameter that a vendor's list may have; which of them are needed depends on the kind. */
function parametersOf(vendors: Catalogue): Shape {
  const shapes = Object.values(vendors).flatMap(({ choices }) => Object.values(choices).map(({ of }) => of?.() ?? {}));
  return Object.fromEntries(
    shapes.flatMap((shape) => Object.entries(shape).map(([name, schema]) => [name, z.optional(schema)])),
  );
}
