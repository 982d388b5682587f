import * as z from 'zod/mini';
import { callRoute, type Route, type RouteCall } from '../../api/route.ts';
import { type FieldError, GatewayError } from '../../core/errors.ts';
import { parseInput } from '../../core/operation.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { hookFields } from '../../hooks/records.ts';
import { listSubscriptions } from '../../subscriptions/subscriptions.ts';
import { type AdmissionServices, admit } from '../admission.ts';
import { automationSchema } from '../definition.ts';
import { automationByName, canonical } from '../records.ts';
import {
  connectionName,
  type Document,
  type ExportServices,
  exportInstallation,
  type Installation,
  subscriptionName,
} from './export.ts';
import { withHookIds } from './references.ts';

export type ImportServices = ExportServices & AdmissionServices & { clock: { now(): number } };

export const importKinds = ['connection', 'hook', 'automation', 'subscription'] as const;
export const importActions = ['created', 'changed', 'unchanged', 'needs_secret', 'refused'] as const;

/** What became of one document. */
export interface Imported {
  kind: (typeof importKinds)[number];
  name: string;
  action: (typeof importActions)[number];
  /** Why it was refused, or what to do. */
  message?: string;
  errors?: FieldError[];
  /** The fields that hold the secret which it lacks. */
  secrets?: string[];
  /** For a new hook: its address. Shown this once. */
  url?: string;
  /** The secret of a new hook or subscription, where it was made here. Shown this once. */
  secret?: string;
}

/** How the id of a hook begins that a dry run would create. */
const newHook = 'hook-new';

export type ImportInput = { [Section in Exclude<keyof Installation, 'version'>]?: Document[] | undefined };
type Caller = Pick<RouteCall, 'request' | 'principal'>;
type Outcome = Omit<Imported, 'kind' | 'name'>;

/**
 * Brings an installation to the state of a document, by names: what exists is changed, what is missing is created, and nothing is
 * deleted. Each document stands for itself; one that is refused keeps no other back. Every change is made by the call that a client
 * would make, with its checks and the rights of the caller.
 */
export class Importer {
  readonly #services: ImportServices;
  readonly #vendors: EventCatalogue;
  readonly #routes: readonly Route[];
  readonly #caller: Caller;
  readonly #dryRun: boolean;
  readonly #hookIds = new Map<string, string>();

  constructor(
    services: ImportServices,
    vendors: EventCatalogue,
    routes: readonly Route[],
    caller: Caller,
    dryRun: boolean,
  ) {
    this.#services = services;
    this.#vendors = vendors;
    this.#routes = routes;
    this.#caller = caller;
    this.#dryRun = dryRun;
  }

  async run(input: ImportInput): Promise<Imported[]> {
    const before = await exportInstallation(this.#services, Object.keys(this.#vendors), this.#caller.principal.scopes);
    for (const { id, name } of await this.#services.hooks.list()) this.#hookIds.set(name, id);
    const automations = inStartOrder(input.automations ?? []);
    const alongside = automations.map(({ name }) => String(name));
    return [
      ...(await this.#each('connection', input.connections, before.connections, connectionName, (...one) =>
        this.#connection(...one),
      )),
      ...(await this.#each('hook', input.hooks, before.hooks, nameOf, (...one) => this.#hook(...one))),
      ...(await this.#each('automation', automations, before.automations, nameOf, (...one) =>
        this.#automation(...one, alongside),
      )),
      ...(await this.#each('subscription', input.subscriptions, before.subscriptions, subscriptionName, (...one) =>
        this.#subscription(...one),
      )),
    ];
  }

  async #each(
    kind: Imported['kind'],
    documents: readonly Document[] = [],
    existing: readonly Document[],
    name: (document: Document) => string,
    take: (document: Document, before: Document | undefined) => Promise<Outcome>,
  ): Promise<Imported[]> {
    const known = new Map(existing.map((each) => [name(each), each]));
    const report: Imported[] = [];
    for (const document of documents) {
      const before = known.get(name(document));
      const outcome = await take(document, before).catch(refusal);
      report.push({ kind, name: name(document), ...outcome });
    }
    return report;
  }

  async #connection(document: Document, before: Document | undefined): Promise<Outcome> {
    const { vendor, name, settings = {}, credentials } = document;
    const params = { vendor: String(vendor), name: String(name) };
    if (!before) {
      const known = Object.hasOwn(this.#vendors, params.vendor) ? this.#vendors[params.vendor] : undefined;
      if (known && credentials === undefined) {
        const secrets = Object.keys(known.connection.credentials());
        return {
          action: 'needs_secret',
          secrets,
          message: 'Add `credentials` to its document, or create it yourself.',
        };
      }
      return this.#write('created', 'createConnection', { input: document });
    }
    const changes = { ...nulls(before.settings), ...(settings as Document) };
    const isSame = credentials === undefined && canonical(before.settings) === canonical(settings);
    if (isSame) return { action: 'unchanged' };
    return this.#write('changed', 'changeConnection', {
      params,
      input: { settings: changes, ...(credentials !== undefined && { credentials }) },
    });
  }

  async #hook(document: Document, before: Document | undefined): Promise<Outcome> {
    if (before && canonical({ ...defaultsOf(before), ...document }) === canonical(before))
      return { action: 'unchanged' };
    const name = String(document.name);
    // A way to verify that is not changed keeps its secret.
    const keepsVerify = before && canonical(document.verify) === canonical(before.verify);
    try {
      if (!keepsVerify) parseInput(z.strictObject(hookFields(this.#vendors)), document);
      const { verify, ...rest } = document;
      const stored = (await this.#services.hooks.list()).find((hook) => hook.name === name);
      const input = keepsVerify ? { ...rest, verify: stored?.verify } : { ...rest, verify };
      const outcome = await this.#write(before ? 'changed' : 'created', 'putHook', { params: { id: name }, input });
      const written = (await this.#services.hooks.list()).find((hook) => hook.name === name);
      if (!this.#hookIds.has(name)) this.#hookIds.set(name, written?.id ?? `${newHook}${this.#hookIds.size}`);
      return outcome;
    } catch (error) {
      const secrets = error instanceof GatewayError ? missingSecrets(error) : [];
      if (secrets.length === 0) throw error;
      return { action: 'needs_secret', secrets, message: 'Add the secret that its sender shows to `verify`.' };
    }
  }

  async #automation(document: Document, before: Document | undefined, alongside: readonly string[]): Promise<Outcome> {
    if (before && canonical({ enabled: true, ...document }) === canonical(before)) return { action: 'unchanged' };
    const input = withHookIds(document, (name) => this.#hookIds.get(name));
    const definition = parseInput(automationSchema(), input);
    const now = this.#services.clock.now();
    if (this.#dryRun) {
      // What names a hook that does not exist yet can be checked only once it does.
      if (JSON.stringify(input).includes(`"${newHook}`)) return { action: before ? 'changed' : 'created' };
      const listHooks = () => this.#services.hooks.list();
      const options = { now, alongside, pastMoments: before !== undefined };
      await admit({ ...this.#services, listHooks }, this.#vendors, definition, this.#caller.principal, options);
      return { action: before ? 'changed' : 'created' };
    }
    const item = await automationByName(this.#services.table, definition.name);
    return this.#write(item ? 'changed' : 'created', 'putAutomation', { params: { id: definition.name }, input });
  }

  async #subscription(document: Document, before: Document | undefined): Promise<Outcome> {
    if (before && canonical({ enabled: true, ...document }) === canonical(before)) return { action: 'unchanged' };
    const input = withHookIds(document, (name) => this.#hookIds.get(name));
    if (!before) {
      const { enabled = true, ...rest } = input;
      const created = await this.#call('createSubscription', { input: rest });
      if (created && enabled === false)
        await this.#call('changeSubscription', { params: { id: created.id ?? '' }, input: { enabled: false } });
      return { action: 'created', ...shownOnce(created) };
    }
    const all = await listSubscriptions(this.#services.table);
    const names = new Map([...this.#hookIds].map(([name, id]) => [id, `hook/${name}`]));
    const item = all.find((each) => {
      const connection = each.connection === undefined ? undefined : (names.get(each.connection) ?? each.connection);
      return subscriptionName({ ...each, connection }) === subscriptionName(document);
    });
    const changes = { filter: null, description: null, enabled: true, ...input };
    return this.#write('changed', 'changeSubscription', { params: { id: item?.id ?? '' }, input: changes });
  }

  async #write(
    action: Imported['action'],
    operationId: string,
    call: { params?: RouteCall['params']; input: Document },
  ): Promise<Outcome> {
    return { action, ...shownOnce(await this.#call(operationId, call)) };
  }

  /** Makes a call as a client would; a dry run makes none. */
  async #call(
    operationId: string,
    call: { params?: RouteCall['params']; input: Document },
  ): Promise<{ id?: string; url?: string; secret?: string } | undefined> {
    const route = this.#routes.find((each) => each.operationId === operationId);
    if (!route) throw new Error(`There is no route ${operationId}`);
    if (this.#dryRun) return undefined;
    // Every one of these routes answers with an object.
    return (await callRoute(route, { ...this.#caller, ...call })) as { id?: string; url?: string; secret?: string };
  }
}

/** Automations after those that they start, so that each finds them. */
function inStartOrder(automations: readonly Document[]): Document[] {
  const ordered = new Set<Document>();
  const waiting = new Set<Document>();
  const add = (document: Document): void => {
    if (ordered.has(document) || waiting.has(document)) return;
    waiting.add(document);
    const steps = JSON.stringify(document.do ?? []);
    for (const other of automations) if (steps.includes(`"start":${JSON.stringify(other.name)}`)) add(other);
    ordered.add(document);
  };
  for (const document of automations) add(document);
  return [...ordered];
}

function nameOf({ name }: Document): string {
  return String(name);
}

/** For a change: every setting that is there now, removed. */
function nulls(settings: unknown): Document {
  return Object.fromEntries(Object.keys(settings as Document).map((name) => [name, null]));
}

function defaultsOf({ perMinute }: Document): Document {
  return { perMinute };
}

/** The address of a hook is part of every answer about one; only a new one has a secret part. */
function shownOnce(answer: { url?: string; secret?: string } | undefined): Pick<Imported, 'url' | 'secret'> {
  const { url, secret } = answer ?? {};
  return { ...(url?.includes('/hooks/') && { url }), ...(secret !== undefined && { secret }) };
}

function missingSecrets({ errors = [] }: GatewayError): string[] {
  const fields = errors.map(({ pointer }) => pointer);
  return fields.every((pointer) => /^\/verify\/(secret|user|password)$/.test(pointer)) ? fields : [];
}

function refusal(error: unknown): Outcome {
  if (!(error instanceof GatewayError) || error.retryable) throw error;
  const { message, errors } = error;
  return { action: 'refused', message, ...(errors && { errors }) };
}
