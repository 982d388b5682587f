import { createClient } from '@hey-api/openapi-ts';

/** Generates the client of a document into a folder: `node generate-hey-api.ts openapi.json folder`. */
const [input = '', output = ''] = process.argv.slice(2);
await createClient({
  input,
  output,
  plugins: ['@hey-api/client-fetch', '@hey-api/sdk', '@hey-api/typescript'],
  logs: { level: 'error' },
});
