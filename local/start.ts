import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Compiled code is kept from one start to the next; it must be switched on before anything large is loaded.
enableCompileCache(join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'trunkline'));
// In the built files the product is next to this file. A bundler must not include it.
const main = './main.mjs';
await import(main);
