import type { GatewayError } from '../../../core/errors.ts';
import type { Effect } from '../../../core/operation.ts';
import { pathTemplate } from '../../../core/path-template.ts';
import { talkError } from '../connection.ts';
import {
  type Dialect,
  type Feature,
  features,
  featuresIn,
  routeOf,
  type ServerFacts,
  type TalkRoute,
} from './dialect.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** One request of the dialect table. */
export interface TalkRequest {
  readonly route: TalkRoute;
  readonly fields: Fields;
  readonly effect: Effect;
  /** The operation, for messages. */
  readonly doing: string;
  /** The meaning of its refusals, by status. */
  readonly meanings?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs?: number;
  /** Converts the fields to those of a dialect if that requires a look-up. */
  readonly fieldsIn?: (dialect: Dialect) => Promise<Fields>;
}

/** The route of a request on a server: its method, and its path with the version in front. */
export function addressOf(route: TalkRoute, dialect: Dialect): { method: string; path: string } {
  const [method = 'GET', path = ''] = (routeOf(route).elsewhere?.(dialect) ?? route).split(' ');
  return { method, path: /^v\d+\//.test(path) ? path : `${versionOf(path, dialect)}/${path}` };
}

/** A request in the form in which it is sent to a server. */
export interface WireRequest {
  readonly method: string;
  /** Below `/ocs/v2.php/apps/spreed/api/`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: object | undefined;
}

/** Puts a request into a form that the server understands. Throws `vendor_too_old` for features that it does not have. */
export function wireRequest(
  route: TalkRoute,
  fields: Readonly<Record<string, unknown>>,
  dialect: Dialect,
): WireRequest {
  const address = addressOf(route, dialect);
  const { method } = address;
  const rest: Record<string, unknown> = { ...routeOf(route).adds?.(dialect), ...fields };
  const template = pathTemplate(address.path);
  const path = template.fill(rest);
  for (const name of template.names) delete rest[name];
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  const inQuery = method === 'GET' || method === 'DELETE';
  return {
    method,
    path,
    query: inQuery ? Object.fromEntries(given.map(([name, value]) => [name, String(value)])) : {},
    body: inQuery || given.length === 0 ? undefined : Object.fromEntries(given),
  };
}

/** Checks a request against what the server supports, before anything is sent. */
export function checkRequest(
  route: TalkRoute,
  given: Readonly<Record<string, unknown>>,
  dialect: Dialect,
  doing: string,
  server: ServerFacts,
): void {
  const { needs, fields, most } = routeOf(route);
  if (needs && !dialect.has(needs)) throw tooOld(doing, needs, server);
  checkFields(fields ?? {}, given, dialect, doing, server);
  if (most === undefined) return;
  const limit = most.of(dialect);
  const text = String(given[most.field] ?? '').trim();
  const inBytes = most.inBytes?.(dialect) ?? false;
  const length = inBytes ? Buffer.byteLength(text) : [...text].length;
  if (length <= limit) return;
  const unit = inBytes ? 'bytes' : 'characters';
  throw talkError(
    most.code,
    `The ${most.field} has ${length} ${unit}, and this server allows at most ${limit}. Nothing was sent; shorten it or split it.`,
    { errors: [{ pointer: `/${most.field}`, message: `must be at most ${limit} ${unit} long` }] },
  );
}

/** Throws `vendor_too_old` for fields, and values of fields, that only newer servers support. */
export function checkFields(
  fields: Readonly<Record<string, Feature | Readonly<Record<string, Feature>>>>,
  given: Readonly<Record<string, unknown>>,
  dialect: Dialect,
  doing: string,
  server: ServerFacts,
): void {
  for (const [name, known] of Object.entries(fields)) {
    const value = given[name];
    if (value === undefined) continue;
    const feature = typeof known === 'string' ? known : known[String(value)];
    if (feature === undefined || dialect.has(feature)) continue;
    const what = typeof known === 'string' ? `The field ${name}` : `${name} ${String(value)}`;
    throw tooOld(`${what} of ${doing}`, feature, server);
  }
}

/** The refusal for features that the server does not have: it is too old, or they are switched off there. */
function tooOld(what: string, feature: Feature, server: ServerFacts): GatewayError {
  const has = server.talk === undefined ? `Nextcloud ${server.nextcloud}` : `Talk ${server.talk}`;
  const isOff = server.talk !== undefined && featuresIn(server.talk).includes(feature);
  const why = isOff
    ? `needs the capability ${feature}, which this server with ${has} does not offer: its administrator may be able to enable it`
    : `needs Talk ${features[feature]} or newer (capability ${feature}), and this server has ${has}`;
  return talkError('vendor_too_old', `${what} ${why}. Nothing was sent.`);
}

function versionOf(path: string, dialect: Dialect): string {
  const [area] = path.split('/');
  if (area === 'room' || area === 'call') return dialect.rooms;
  return area === 'signaling' ? dialect.signaling : 'v1';
}
