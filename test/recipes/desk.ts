import { expect } from 'vitest';
import { type Bench, type ShownRun, startBench } from '../acceptance/product.ts';

/** The inputs that fit the stand-in vendors. */
export const demoInputs = {
  radio: 'demo',
  chat: 'demo',
  room: 'controlroom',
  tables: 'demo',
  bookOwner: 'demo',
  bookCode: 'operations',
};

export interface Installed {
  hooks: { key: string; id: string; name: string; url?: string; secret?: string }[];
  automations: { id: string; name: string }[];
}

/** A product with recipes installed on the stand-in vendors. */
export async function startRecipeDesk() {
  const bench: Bench = await startBench();
  const { demo } = bench;
  const key = await bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'recipes',
    scopes: ['*/*/*', 'trunkline/*/*', 'proptt2/demo/deleteChannel', 'proptt2/demo/deleteUser', 'talk/demo/deleteRoom'],
    perMinute: 100_000,
  });
  expect(key.status, JSON.stringify(key.body)).toBe(201);
  const authorization = `Bearer ${key.body.key}`;
  let seen = 0;

  const desk = {
    bench,
    demo,
    /** Installs a recipe; answers the ids of its automations by their part of the name, and how to post to its hooks. */
    install: async (recipe: string, inputs: object, name?: string) => {
      const answer = await bench.call<Installed>(
        'POST',
        `/v1/recipes/${recipe}/install`,
        { inputs: pick(await inputsOf(recipe), { ...demoInputs, ...inputs }), ...(name !== undefined && { name }) },
        { authorization },
      );
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
      const { hooks, automations } = answer.body;
      const idOf = (part: string) => automations.find((each) => (each.name.split(': ')[1] ?? '') === part)?.id ?? '';
      const post = async (body: object, hookKey = hooks[0]?.key) => {
        const hook = hooks.find((each) => each.key === hookKey);
        const answer = await bench.call<{ eventId: string }>('POST', new URL(hook?.url ?? '').pathname, body, {
          authorization: hook?.secret === undefined ? '' : `Bearer ${hook.secret}`,
        });
        expect(answer.status, JSON.stringify(answer.body)).toBe(202);
        return answer.body.eventId;
      };
      return { ...answer.body, idOf, post };
    },
    /** Runs an automation now and waits for its end. */
    runNow: async (automation: string, event?: object): Promise<ShownRun> =>
      desk.ended(await desk.start(automation, event)),
    /** Runs an automation now; answers the id of its run. */
    start: async (automation: string, event?: object): Promise<string> => {
      const started = await bench.call<{ id: string }>(
        'POST',
        `/v1/automations/${automation}/run`,
        event ? { event } : {},
        { authorization },
      );
      expect(started.status, JSON.stringify(started.body)).toBe(202);
      return started.body.id;
    },
    /** Takes an automation off its schedule, so that it runs only when a test says so. */
    onlyByHand: async (automation: string) => {
      const path = `/v1/automations/${automation}`;
      const changed = await bench.call('PATCH', path, { enabled: false }, { authorization });
      expect(changed.status, JSON.stringify(changed.body)).toBe(200);
    },
    /** The run of an automation for an event, once it has ended. */
    runOf: async (automation: string, eventId: string): Promise<ShownRun> => {
      const find = async () =>
        (await bench.call<ShownRun[]>('GET', `/v1/runs?automation=${automation}&limit=200`)).body.find(
          (run) => run.eventId === eventId,
        );
      await expect.poll(find).toBeDefined();
      return desk.ended((await find())?.id ?? '');
    },
    ended: async (id: string): Promise<ShownRun> => {
      const read = async () => (await bench.call<ShownRun>('GET', `/v1/runs/${id}`)).body;
      await desk.eventually(async () => (await read()).state).not.toBe('running');
      return read();
    },
    runs: async (automation: string) =>
      (await bench.call<ShownRun[]>('GET', `/v1/runs?automation=${automation}&limit=200`)).body,
    /** What the radios received since the last call. */
    radio: () => {
      const fresh = demo.proptt2.state.sent.slice(seen);
      seen = demo.proptt2.state.sent.length;
      return fresh;
    },
    sirens: () => demo.proptt2.state.sent.filter(({ kind }) => kind === 'sos').length,
    /** The texts in the control room, oldest first. */
    lines: async () =>
      (
        await bench.call<{ messages: { text: string }[] }>(
          'GET',
          '/v1/talk/demo/getChatMessages?token=controlroom&limit=200',
        )
      ).body.messages.map(({ text }) => text),
    /** The rows of a demo table, by field name. */
    rows: async (tableCode: string) => {
      const { body, status } = await bench.call<{
        tableValues: { rows: { id: number; fields: Record<string, { value: unknown }> }[] };
      }>('POST', '/v1/timetonic/demo/getNamedTableValues', {
        bookOwner: 'demo',
        bookCode: 'operations',
        tableCode,
        format: 'rows',
        maxRows: 1000,
      });
      expect(status, JSON.stringify(body)).toBe(200);
      return body.tableValues.rows.map(({ id, fields }) => ({
        id: String(id),
        ...Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value])),
      })) as (Record<string, unknown> & { id: string })[];
    },
    /** Checks repeatedly, as `expect.poll` does, and advances the clock of waits by a second each time. */
    eventually: <T>(check: () => T) =>
      expect.poll(() => {
        bench.passTime(1);
        return check();
      }),
    /** Takes a vendor down, as its server would be: every request fails. */
    down: (vendor: 'proptt2' | 'talk' | 'timetonic', kind: 'reset' | 'html' = 'html') =>
      demo[vendor].fault({ kind, ...(kind === 'html' && { status: 503 }) }),
    up: () => {
      for (const vendor of [demo.proptt2, demo.talk, demo.timetonic]) vendor.clearFaults();
    },
    close: () => bench.close(),
  };

  async function inputsOf(recipe: string): Promise<string[]> {
    const { body } = await bench.call<{ inputs: Record<string, unknown> }>('GET', `/v1/recipes/${recipe}`);
    return Object.keys(body.inputs);
  }
  return desk;
}

export type RecipeDesk = Awaited<ReturnType<typeof startRecipeDesk>>;

export const stepsOf = (run: ShownRun | undefined): Record<string, string> =>
  Object.fromEntries((run?.steps ?? []).map(({ name, state }) => [name, state]));

function pick(names: readonly string[], values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));
}
