import module from 'node:module';
import { join } from 'node:path';
import { nodeProblem } from '../cli/node-version.ts';

const problem = nodeProblem(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}
// Half of Node's threads look names up, each for ten seconds if its servers do not answer: of four, two such names would delay all others.
process.env.UV_THREADPOOL_SIZE ??= '32';
// Node 22 warns that SQLite is experimental each time that it is loaded.
const { emitWarning } = process;
process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
  if (rest[0] !== 'ExperimentalWarning') Reflect.apply(emitWarning, process, [warning, ...rest]);
};
// Compiled code is kept from one start to the next; it must be switched on before anything large is loaded.
module.enableCompileCache(join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'trunkline'));
// In the built files the product is next to this file. A bundler must not include it.
const main = './main.mjs';
await import(main);
