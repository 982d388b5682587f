import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../../test/support/until.ts';
import { evaluate } from './expression.ts';
import { ExpressionPool, type ExpressionPoolOptions } from './pool.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const endless = '{% ($f := function($n){$f($n)}; $f(1)) %}';
const stubborn = String.raw`{% $contains("${'a'.repeat(60)}b", /^(a|aa)+\1$/) %}`;

function startPool(options: ExpressionPoolOptions = {}): ExpressionPool {
  const pool = new ExpressionPool(options);
  onTestFinished(() => pool.close());
  return pool;
}

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'expression-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('processes are started as needed, reused, and no more than allowed', async () => {
  const pool = startPool({ size: 2 });
  const jobs = Array.from({ length: 30 }, (_, n) => evaluate(`{% ${n} * 2 %}`, {}, {}, pool));
  expect(await Promise.all(jobs)).toEqual(Array.from({ length: 30 }, (_, n) => n * 2));
  expect(pool.alive).toBe(2);
  const calm = startPool({ size: 2 });
  for (let round = 0; round < 5; round++) await evaluate('{% 1 %}', {}, {}, calm);
  expect(calm.alive).toBe(1);
});

test('an unused process ends, and the next evaluation starts another', async () => {
  const pool = startPool({ idleMs: 50 });
  expect(await evaluate('{% 1 %}', {}, {}, pool)).toBe(1);
  await until(() => pool.alive === 0);
  expect(await evaluate('{% 2 %}', {}, {}, pool)).toBe(2);
});

test('killing one evaluation does not end the waiting ones', async () => {
  const pool = startPool({ size: 1 });
  await evaluate('{% 1 %}', {}, {}, pool);
  const results = await Promise.allSettled([
    evaluate(stubborn, {}, { timeMs: 100 }, pool),
    evaluate('{% 2 %}', {}, {}, pool),
    evaluate(endless, {}, { timeMs: 100 }, pool),
    evaluate('{% 3 %}', {}, {}, pool),
  ]);
  expect(results).toMatchObject([
    { reason: { kind: 'timeout', message: 'It took longer than 100 ms' } },
    { value: 2 },
    { reason: { kind: 'timeout', pointer: '' } },
    { value: 3 },
  ]);
});

test('an evaluation that waits for the processor does not time out', async () => {
  const pool = startPool({ size: 1, entry: await starvedEntry() });
  const { json } = (await pool.run({ task: 'validate', template: '' }, 50)) as { json: string };
  expect(Number(json)).toBeGreaterThan(50 + 150);
});

/** A process that does nothing for longer than its time, like one that gets no CPU time, and then answers how long it took. */
async function starvedEntry(): Promise<URL> {
  const entry = pathToFileURL(join(await emptyDirectory(), 'starved.mjs'));
  await writeFile(
    entry,
    `process.on('message', () => {
       const since = performance.now();
       setTimeout(() => process.send({ json: String(performance.now() - since) }), 400);
     });
     process.send({ ready: true });`,
  );
  return entry;
}

test('bindings that are not JSON are refused, and the process continues', async () => {
  const pool = startPool({ size: 1 });
  await expect(evaluate('{% 1 %}', { big: 1n }, {}, pool)).rejects.toThrow(TypeError);
  expect(await evaluate('{% 1 %}', {}, {}, pool)).toBe(1);
});

test('an evaluation whose process dies for another reason is repeated once', async () => {
  const directory = await emptyDirectory();
  const entry = pathToFileURL(join(directory, 'dies-once.mjs'));
  // The process whose id is in `seed` dies of its job, another one does it; `always` kills each.
  await writeFile(
    entry,
    `process.on('message', ({ template, seed }) => {
       if (template.includes('always') || process.pid === Number(seed)) process.exit(3);
       process.send({ json: String(process.pid) });
     });
     process.send({ ready: true });`,
  );
  const pool = startPool({ size: 1, entry });
  const first = await evaluate('{% warm %}', {}, { seed: '0' }, pool);
  const second = await evaluate('{% once %}', {}, { seed: String(first) }, pool);
  expect(second).toEqual(expect.any(Number));
  expect(second).not.toBe(first);
  await expect(evaluate('{% always %}', {}, {}, pool)).rejects.toMatchObject({
    kind: 'crashed',
    message: expect.stringContaining('unexpectedly (3)'),
  });
});

test('a missing worker is reported instead of being retried endlessly', async () => {
  const entry = pathToFileURL(join(await emptyDirectory(), 'expression-worker.mjs'));
  const pool = startPool({ entry });
  await expect(evaluate('{% 1 %}', {}, {}, pool)).rejects.toMatchObject({
    kind: 'crashed',
    message: `Expressions cannot be evaluated: ${fileURLToPath(entry)} did not start`,
  });
});

test('a machine that can start no process for a moment delays what waits, and blocks nothing', async () => {
  const pool = startPool({ size: 2 });
  const node = process.execPath;
  onTestFinished(() => {
    process.execPath = node;
  });
  // As with too many processes, too many open files or too little memory: `fork` throws.
  for (const missing of ['/nonexistent/node', '/dev/null/node']) {
    process.execPath = missing;
    const waiting = evaluate('{% 1 + 1 %}', {}, {}, pool);
    await expect.poll(() => pool.alive).toBe(0);
    process.execPath = node;
    expect(await waiting).toBe(2);
    pool.close();
    await expect.poll(() => pool.alive).toBe(0);
  }

  const lame = startPool({ size: 2 });
  process.execPath = '/nonexistent/node';
  await expect(evaluate('{% 1 %}', {}, {}, lame)).rejects.toMatchObject({ kind: 'crashed' });
  process.execPath = node;
  expect(await evaluate('{% 1 %}', {}, {}, lame)).toBe(1);
});

test('a request with many waiting expressions delays no other', async () => {
  const pool = startPool({ size: 1 });
  await evaluate('{% 1 %}', {}, {}, pool);
  const order: string[] = [];
  const ask = (share: string) => evaluate('{% 1 %}', {}, { share }, pool).then(() => order.push(share));
  const all = [...Array.from({ length: 60 }, () => ask('many')), ask('one'), ask('one')];
  await Promise.all(all);
  expect(order.lastIndexOf('one')).toBeLessThan(6);
});

test('background jobs leave a process free for the others', async () => {
  const pool = startPool({ size: 2 });
  const bombs = Promise.allSettled(
    ['one', 'other', 'third'].map((share) =>
      evaluate(stubborn, {}, { share, isBackground: true, timeMs: 60_000 }, pool),
    ),
  );
  const urgent = Array.from({ length: 5 }, (_, n) => evaluate(`{% ${n} %}`, {}, {}, pool));
  expect(await Promise.all(urgent)).toEqual([0, 1, 2, 3, 4]);
  pool.close();
  await bombs;
  // Where there is one process only, it serves them all.
  expect(await evaluate('{% 2 %}', {}, { isBackground: true }, startPool({ size: 1 }))).toBe(2);
});

test('closing ends what runs and what waits', async () => {
  const pool = startPool({ size: 1 });
  await evaluate('{% 1 %}', {}, {}, pool);
  const ended = Promise.allSettled([
    evaluate(stubborn, {}, { timeMs: 60_000 }, pool),
    evaluate('{% 1 %}', {}, {}, pool),
  ]);
  pool.close();
  const reason = { kind: 'crashed', message: 'Expressions cannot be evaluated: the pool was closed' };
  expect(await ended).toMatchObject([{ reason }, { reason }]);
});

test('the evaluating process has no environment and may not read, start or connect to anything', async () => {
  const directory = await emptyDirectory();
  const entry = pathToFileURL(join(directory, 'spy.mjs'));
  await writeFile(
    entry,
    `import { spawnSync } from 'node:child_process';
     import { readFileSync, writeFileSync } from 'node:fs';
     import { Worker } from 'node:worker_threads';
     const tried = {};
     const attempt = (name, run) => { try { run(); tried[name] = 'done'; } catch (error) { tried[name] = error.code ?? error.name; } };
     attempt('read', () => readFileSync('/etc/hostname'));
     attempt('parent', () => readFileSync('/proc/' + process.ppid + '/environ'));
     attempt('write', () => writeFileSync(new URL('x', import.meta.url), 'x'));
     attempt('spawn', () => spawnSync('true'));
     attempt('thread', () => new Worker('1', { eval: true }));
     attempt('eval', () => (0, eval)('1'));
     attempt('function', () => Function('return 1')());
     process.on('message', () => process.send({ json: JSON.stringify({ env: Object.keys(process.env), tried }) }));
     process.send({ ready: true });`,
  );
  process.env.AWS_SECRET_ACCESS_KEY_TEST = 'x';
  onTestFinished(() => {
    delete process.env.AWS_SECRET_ACCESS_KEY_TEST;
  });
  const { env, tried } = (await evaluate('{% spy %}', {}, {}, startPool({ entry }))) as {
    env: string[];
    tried: object;
  };
  expect(env.filter((name) => !name.startsWith('NODE_CHANNEL'))).toEqual([]);
  expect(tried).toEqual({
    read: 'ERR_ACCESS_DENIED',
    parent: 'ERR_ACCESS_DENIED',
    write: 'ERR_ACCESS_DENIED',
    spawn: 'ERR_ACCESS_DENIED',
    thread: 'ERR_ACCESS_DENIED',
    eval: 'EvalError',
    function: 'EvalError',
  });
});

test('a program that evaluated ends by itself, unbundled and in a bundle with the worker beside it', async () => {
  const directory = join(await emptyDirectory(), 'task');
  await mkdir(directory);
  const expression = join(root, 'lib/expressions/expression.ts');
  const program = `import { evaluate, validate } from ${JSON.stringify(expression)};
    const options = { now: 0, seed: 's' };
    const values = await evaluate(['{% $now() & event.id & $ref(event) %}', '{% $random() %}'], { event: { id: 'e' } }, options);
    process.stdout.write(JSON.stringify([values, await validate('{% 1 + %}')]));`;
  await writeFile(join(directory, 'program.ts'), program);
  await build({
    entryPoints: {
      index: join(directory, 'program.ts'),
      'expression-worker': join(root, 'lib/expressions/worker.ts'),
    },
    outdir: join(directory, 'bundle'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    nodePaths: [join(root, 'node_modules')],
  });
  const bundle = join(await emptyDirectory(), 'elsewhere');
  await mkdir(bundle);
  for (const file of ['index.mjs', 'expression-worker.mjs'])
    await copyFile(join(directory, 'bundle', file), join(bundle, file));
  const outputs = [];
  for (const file of [join(directory, 'program.ts'), join(bundle, 'index.mjs')]) {
    outputs.push((await promisify(execFile)(process.execPath, [file], { cwd: '/', timeout: 120_000 })).stdout);
  }
  expect(JSON.parse(outputs[0] ?? '')).toMatchObject([
    [expect.stringMatching(/^1970-01-01T00:00:00.000Ze[0-9A-F]{4}$/), expect.any(Number)],
    [{ code: 'S0207' }],
  ]);
  expect(outputs[1]).toBe(outputs[0]);
});
