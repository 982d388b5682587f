import { afterAll, beforeAll, expect, test } from 'vitest';
import { isSecretName } from '../../lib/core/redaction/secret-text.ts';
import { recipes } from '../../recipes/index.ts';
import { type RecipeDesk, startRecipeDesk } from './desk.ts';

let desk: RecipeDesk;
beforeAll(async () => {
  desk = await startRecipeDesk();
});
afterAll(() => desk.close());

/** Inputs that the stand-in vendors cannot guess. */
const more: Record<string, object> = {
  'talk-keyword': { people: ['alice'] },
  'function-key': { videoRoom: 'controlroom', supervisors: 1 },
  'lone-worker': { supervisors: 1 },
  'war-room': { talkUsers: ['bob'], radioUsers: ['user2@company.com'] },
  'monitoring-alert': { onCall: 1, next: 2, everybody: 3 },
};

test.each(Object.keys(recipes))('%s installs on the stand-in vendors, and again without a change', async (name) => {
  const first = await desk.install(name, more[name] ?? {});
  expect(first.automations.length).toBe(recipes[name]?.automations.length);
  const again = await desk.install(name, more[name] ?? {});
  expect(again.automations).toEqual(first.automations);
  expect(again.hooks.map(({ id }) => id)).toEqual(first.hooks.map(({ id }) => id));
  expect(again.hooks.map(({ url }) => url)).toEqual(first.hooks.map(() => undefined));
});

test('what is installed is listed with its inputs, and none of them is a secret', async () => {
  const { body } = await desk.bench.call<{ name: string; recipe: string; inputs: object; automations: string[] }[]>(
    'GET',
    '/v1/installations',
  );
  expect(new Set(body.map(({ recipe }) => recipe))).toEqual(new Set(Object.keys(recipes)));
  const keyword = body.find(({ recipe }) => recipe === 'talk-keyword');
  expect(keyword).toMatchObject({ inputs: { people: ['alice'], radio: 'demo' } });
  const stored = await desk.bench.call<{ name: string }>('GET', `/v1/automations/${keyword?.automations[0]}`);
  expect(stored.body.name).toBe(keyword?.automations[0]);
  const names = Object.values(recipes).flatMap(({ inputs }) => Object.keys(inputs));
  expect(names.filter(isSecretName)).toEqual([]);
});

test('installations are exported, and imported with their hooks and automations or from their inputs alone', async () => {
  const call = desk.bench.call;
  type Whole = Record<'hooks' | 'automations' | 'recipes', { name: string }[]>;
  type Results = { results: { kind: string; name: string; action: string; hooks?: { url?: string }[] }[] };
  const ofPanel = async (): Promise<Whole> => {
    const { body } = await call<Whole>('GET', '/v1/export');
    const mine = ({ name }: { name: string }) => name.startsWith('Alarm panel');
    return {
      hooks: body.hooks.filter(mine),
      automations: body.automations.filter(mine),
      recipes: body.recipes.filter(mine),
    };
  };
  const remove = async ({ hooks, automations }: Whole) => {
    for (const { name } of automations) await call('DELETE', `/v1/automations/${encodeURIComponent(name)}`);
    for (const { name } of hooks) await call('DELETE', `/v1/hooks/${encodeURIComponent(name)}`);
  };
  const take = async (document: object) => {
    const { status, body } = await call<Results>('POST', '/v1/import', document);
    expect(status).toBe(200);
    return body.results;
  };
  await desk.install('alarm-panel', {});
  const before = await ofPanel();
  expect(before.recipes).toMatchObject([{ recipe: 'alarm-panel', inputs: { radio: 'demo' } }]);
  expect((await take(before)).every(({ action }) => action === 'unchanged')).toBe(true);

  await remove(before);
  expect((await ofPanel()).recipes).toEqual([]);
  const [installed] = await take({ recipes: before.recipes });
  expect(installed).toMatchObject({ action: 'created', hooks: [{ url: expect.stringContaining('/hooks/') }] });
  expect(await ofPanel()).toEqual(before);

  // What was changed after the installation stays as the document has it.
  const [automation] = before.automations;
  const changed = { ...before, automations: [{ ...automation, maxPerMinute: 7 }, ...before.automations.slice(1)] };
  await remove(before);
  expect((await take(changed)).every(({ action }) => action === 'created')).toBe(true);
  expect(await ofPanel()).toEqual(changed);
  const [unknown] = await take({ recipes: [{ recipe: 'alarm-panels', name: 'X' }] });
  expect(unknown).toMatchObject({
    kind: 'recipe',
    action: 'refused',
    message: expect.stringContaining('alarm-panel?'),
  });
});

test('a preview shows what an installation would create, and creates nothing', async () => {
  const inputs = { radio: 'demo', chat: 'demo', room: 'controlroom', people: ['bob'] };
  const ask = () =>
    desk.bench.call<{ automations: { name: string; exists: boolean; when: object; do: { call?: string }[] }[] }>(
      'POST',
      '/v1/recipes/talk-keyword/preview',
      { name: 'Previewed', inputs },
    );
  const { status, body } = await ask();
  expect(status).toBe(200);
  expect(body.automations).toMatchObject([
    { name: 'Previewed', exists: false, when: { event: 'talk.message.created', connection: 'talk/demo' } },
  ]);
  expect(JSON.stringify(body)).not.toContain('{{');
  expect((await desk.bench.call('GET', '/v1/automations/Previewed')).status).toBe(404);
  await desk.bench.call('POST', '/v1/recipes/talk-keyword/install', { name: 'Previewed', inputs });
  expect((await ask()).body.automations[0]?.exists).toBe(true);
});

test('the recipes are listed with their inputs, and each input says where its choices come from or what it is', async () => {
  const { body } = await desk.bench.call<{ name: string; inputs: Record<string, { choices?: string }> }[]>(
    'GET',
    '/v1/recipes',
  );
  expect(body.map(({ name }) => name)).toEqual(Object.keys(recipes));
  const choices = '/v1/choices/proptt2/demo/channels';
  expect((await desk.bench.call('GET', choices)).status).toBe(200);
});

test('a missing, unknown or ill-typed input is refused by name, and nothing is left behind', async () => {
  const ask = (inputs: object) =>
    desk.bench.call<{ errors: { pointer: string; message: string }[] }>('POST', '/v1/recipes/talk-keyword/install', {
      name: 'Half',
      inputs,
    });
  expect((await ask({})).body.errors[0]?.pointer).toBe('/inputs/radio');
  const all = { radio: 'demo', chat: 'demo', room: 'controlroom', people: ['bob'] };
  expect((await ask({ ...all, radios: 1 })).body.errors[0]?.pointer).toBe('/inputs/radios');
  expect((await ask({ ...all, radio: 5 })).body.errors[0]).toEqual({
    pointer: '/inputs/radio',
    message: 'must be of type text',
  });
  const refused = await ask({ ...all, radio: 'nowhere' });
  expect(refused.status).toBe(422);
  expect(refused.body.errors[0]?.message).toContain('does not exist: nowhere');
  const hooks = await desk.bench.call<{ name: string }[]>('GET', '/v1/hooks');
  expect(hooks.body.filter(({ name }) => name.startsWith('Half'))).toEqual([]);
});
