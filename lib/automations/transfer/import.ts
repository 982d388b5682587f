import * as z from 'zod/mini';
import { callRoute, type Route, type RouteCall } from '../../api/route.ts';
import { controlNeed, requireScope } from '../../api/scopes.ts';
import { type FieldError, GatewayError } from '../../core/errors.ts';
import { text } from '../../core/field.ts';
import { parseInput } from '../../core/operation.ts';
import { canonicalJson } from '../../core/record.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { type HookRecordServices, hookFields } from '../../hooks/records.ts';
import { urlOf } from '../../hooks/routes.ts';
import { listSubscriptions } from '../../subscriptions/subscriptions.ts';
import { admit } from '../admission.ts';
import { listAutomations } from '../automations.ts';
import { automationSchema, type Definition } from '../definition.ts';
import { type PutServices, putAutomation } from '../put-automation.ts';
import { install, partsOf, recipeNamed } from '../recipes/install.ts';
import { recordInstallation } from '../recipes/installations.ts';
import { type Recipes, readInputs } from '../recipes/recipe.ts';
import { automationByName } from '../records.ts';
import {
  connectionName,
  type Document,
  type ExportServices,
  exportInstallation,
  type Installation,
  subscriptionName,
} from './export.ts';
import { withHookIds } from './references.ts';

export type ImportServices = ExportServices & PutServices & HookRecordServices;

export const importKinds = ['connection', 'hook', 'automation', 'recipe', 'subscription'] as const;
export const importActions = ['created', 'changed', 'unchanged', 'needs_secret', 'refused'] as const;

/** The outcome of one document. */
export interface Imported {
  kind: (typeof importKinds)[number];
  name: string;
  action: (typeof importActions)[number];
  /** Why it was refused, or what to do. */
  message?: string;
  errors?: FieldError[];
  /** The fields that hold the secret which it lacks. */
  secrets?: string[];
  /** For a new hook: its address. Shown only this once. */
  url?: string;
  /** For an installed recipe: its hooks. */
  hooks?: { name: string; url?: string; secret?: string }[];
  /** The secret of a new hook or subscription, where it was made here. Shown only this once. */
  secret?: string;
}

/** The prefix of the id of a hook that a dry run would create. */
const newHook = 'hook-new';

export type ImportInput = { [Section in Exclude<keyof Installation, 'version'>]?: Document[] | undefined };
type Caller = Pick<RouteCall, 'request' | 'principal'>;
type Outcome = Omit<Imported, 'kind' | 'name'>;

/**
 * Brings an installation to the state of a document, by names: what exists is changed, what is missing is created, and nothing is
 * deleted. Documents are independent: a refused one does not affect the others. Every change is made by the call that a client
 * would make, with its checks and the rights of the caller.
 */
export class Importer {
  readonly #services: ImportServices;
  readonly #vendors: EventCatalogue;
  readonly #recipes: Recipes;
  readonly #routes: readonly Route[];
  readonly #caller: Caller;
  readonly #dryRun: boolean;
  readonly #hookIds = new Map<string, string>();

  constructor(
    services: ImportServices,
    vendors: EventCatalogue,
    recipes: Recipes,
    routes: readonly Route[],
    caller: Caller,
    dryRun: boolean,
  ) {
    this.#services = services;
    this.#vendors = vendors;
    this.#recipes = recipes;
    this.#routes = routes;
    this.#caller = caller;
    this.#dryRun = dryRun;
  }

  async run(input: ImportInput): Promise<Imported[]> {
    const before = await exportInstallation(this.#services, Object.keys(this.#vendors), this.#caller.principal.scopes);
    for (const { id, name } of await this.#services.hooks.list()) this.#hookIds.set(name, id);
    return [
      ...(await this.#each('connection', input.connections, before.connections, connectionName, (...one) =>
        this.#connection(...one),
      )),
      ...(await this.#each('hook', input.hooks, before.hooks, nameOf, (...one) => this.#hook(...one))),
      ...(await this.#automations(input.automations ?? [], before.automations)),
      ...(await this.#each('recipe', input.recipes, before.recipes, nameOf, (...one) => this.#recipe(...one, input))),
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
    const isSame = credentials === undefined && canonicalJson(before.settings) === canonicalJson(settings);
    if (isSame) return { action: 'unchanged' };
    return this.#write('changed', 'changeConnection', {
      params,
      input: { settings: changes, ...(credentials !== undefined && { credentials }) },
    });
  }

  async #hook(document: Document, before: Document | undefined): Promise<Outcome> {
    if (before && canonicalJson({ ...defaultsOf(before), ...document }) === canonicalJson(before))
      return { action: 'unchanged' };
    const name = String(document.name);
    // A way to verify that is not changed keeps its secret.
    const keepsVerify = before && canonicalJson(document.verify) === canonicalJson(before.verify);
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

  /**
   * Automations may start one another, in any order and in circles. So all of them are checked before the first is stored, and
   * one that starts a refused one is refused as well.
   */
  async #automations(documents: readonly Document[], existing: readonly Document[]): Promise<Imported[]> {
    const known = new Map(existing.map((each) => [nameOf(each), each]));
    const outcomes = new Map<Document, Outcome>();
    const wanted = new Map<Document, Definition>();
    for (const document of documents) {
      const before = known.get(nameOf(document));
      if (before && canonicalJson({ enabled: true, ...document }) === canonicalJson(before)) {
        outcomes.set(document, { action: 'unchanged' });
        continue;
      }
      try {
        requireScope(this.#caller.principal.scopes, controlNeed('automations', true));
        const input = withHookIds(document, (name) => this.#hookIds.get(name));
        wanted.set(document, parseInput(automationSchema(), input));
      } catch (error) {
        outcomes.set(document, refusal(error));
      }
    }
    for (let refused = -1; refused !== outcomes.size; ) {
      refused = outcomes.size;
      for (const [document, definition] of wanted) {
        const problem = await this.#problemOf(definition, [...wanted.values()]).catch(refusal);
        if (!problem) continue;
        wanted.delete(document);
        outcomes.set(document, problem);
      }
    }
    for (const [document, definition] of wanted) {
      const stored = this.#dryRun ? undefined : this.#put(definition, [...wanted.values()]);
      const action = known.has(nameOf(document)) ? 'changed' : 'created';
      outcomes.set(document, await Promise.resolve(stored).then((): Outcome => ({ action }), refusal));
    }
    return documents.map((document) => ({
      kind: 'automation',
      name: nameOf(document),
      ...(outcomes.get(document) ?? { action: 'unchanged' }),
    }));
  }

  /** Throws why an automation cannot be stored together with others. */
  async #problemOf(definition: Definition, others: readonly Definition[]): Promise<undefined> {
    // What names a hook that does not exist yet can be checked only once it does.
    if (JSON.stringify(definition).includes(`"${newHook}`)) return;
    const before = await automationByName(this.#services.table, definition.name);
    await admit(this.#services, this.#vendors, definition, this.#caller.principal, {
      now: this.#services.clock.now(),
      alongside: others.map(({ name }) => name),
      pastMoments: before !== undefined,
    });
  }

  async #put(definition: Definition, others: readonly Definition[]): Promise<unknown> {
    const before = await automationByName(this.#services.table, definition.name);
    const alongside = others.map(({ name }) => name);
    return putAutomation(this.#services, this.#vendors, this.#caller.principal, definition, before, alongside);
  }

  /**
   * Installs a recipe, or updates its installation to other inputs. If its hooks and automations are in the same document, or
   * exist without a record of the installation, they stay as they are.
   */
  async #recipe(document: Document, before: Document | undefined, whole: ImportInput): Promise<Outcome> {
    const { recipe: recipeName, name, inputs: given } = parseInput(installation(), document);
    const recipe = recipeNamed(this.#recipes, recipeName);
    const inputs = readInputs(recipe, given);
    const { principal, request } = this.#caller;
    if (before && canonicalJson({ recipe: recipeName, name, inputs }) === canonicalJson(before))
      return { action: 'unchanged' };
    requireScope(principal.scopes, controlNeed('automations', true));
    if (recipe.hooks) requireScope(principal.scopes, controlNeed('hooks', true));
    const action = before ? 'changed' : 'created';
    if (this.#dryRun) return { action };
    const parts = partsOf(recipe, name);
    const areIn = ({
      hooks = [],
      automations = [],
    }: { [Part in 'hooks' | 'automations']?: readonly Document[] | undefined }) =>
      parts.hooks.every((each) => hooks.some((other) => nameOf(other) === each)) &&
      parts.automations.every((each) => automations.some((other) => nameOf(other) === each));
    if (areIn(whole) || (!before && areIn(await this.#existing()))) {
      await recordInstallation(this.#services, { name, recipe: recipeName, inputs, ...parts });
      return { action };
    }
    const { hooks } = await install(this.#services, this.#vendors, principal, { recipe, recipeName, name, given });
    for (const { written } of hooks) this.#hookIds.set(written.item.name, written.item.id);
    const shown = hooks.map(({ written: { item, token, secret } }) => ({
      name: item.name,
      ...(token !== undefined && { url: urlOf(request, token) }),
      ...(secret !== undefined && { secret }),
    }));
    return { action, ...(shown.length > 0 && { hooks: shown }) };
  }

  async #existing() {
    const [hooks, automations] = await Promise.all([
      this.#services.hooks.list(),
      listAutomations(this.#services.table),
    ]);
    const named = ({ name }: { name: string }) => ({ name });
    return { hooks: hooks.map(named), automations: automations.map(named) };
  }

  async #subscription(document: Document, before: Document | undefined): Promise<Outcome> {
    if (before && canonicalJson({ enabled: true, ...document }) === canonicalJson(before))
      return { action: 'unchanged' };
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

const installation = () =>
  z.strictObject({
    recipe: text(60),
    name: text(60),
    inputs: z._default(z.record(z.string(), z.unknown()), {}),
  });

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
