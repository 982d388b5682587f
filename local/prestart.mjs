// Plain JavaScript, so that a Node that is too old to run TypeScript can say so.
import { existsSync, readFileSync } from 'node:fs';

/** Builds the product before `npm start`, or keeps what is built where the development dependencies are not installed. */
if (!process.features.typescript) {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  fail(`Trunkline needs Node ${engines.node.replace('>=', '')} or newer, and this is Node ${process.versions.node}.`);
} else if (existsSync(new URL('../node_modules/esbuild', import.meta.url))) {
  const { buildLocal } = await import('./build.ts');
  await buildLocal();
} else if (!existsSync(new URL('../dist/local/start.mjs', import.meta.url))) {
  fail('Trunkline is not built, and its build tools are development dependencies: run npm ci, then npm run build.');
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
