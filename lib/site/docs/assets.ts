import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { once } from '../../core/once.ts';
import { type AssetVersions, docsPage, pageScript, pageStyle } from './page.ts';

/** A text file as served. The ETag changes with the text. */
export interface Asset {
  text: string;
  type: string;
  tag: string;
}

const require = createRequire(import.meta.url);

/** Where the two files of Swagger UI that the page needs are on this machine. A bundle of this code must have them next to it. */
const swaggerFiles = {
  'swagger-ui.css': () => require.resolve('swagger-ui-dist/swagger-ui.css'),
  'swagger-ui-bundle.js': () => require.resolve('swagger-ui-dist/swagger-ui-bundle.js'),
} as const;

async function readSwaggerFile(name: keyof typeof swaggerFiles): Promise<string> {
  try {
    return await readFile(new URL(name, import.meta.url), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Not bundled: the package itself is available.
    return readFile(swaggerFiles[name](), 'utf8');
  }
}

/** A text with its tag. */
export function asset(text: string, type: string): Asset {
  return { text, type, tag: createHash('sha256').update(text).digest('base64url').slice(0, 22) };
}

/** The page and its files by path, read once per process. */
export const docsAssets = once(async (): Promise<Readonly<Record<string, Asset>>> => {
  const [style, script] = await Promise.all([
    readSwaggerFile('swagger-ui.css'),
    readSwaggerFile('swagger-ui-bundle.js'),
  ]);
  const files = {
    'swagger-ui.css': asset(withoutSourceMap(style), 'text/css; charset=utf-8'),
    'swagger-ui-bundle.js': asset(withoutSourceMap(script), 'text/javascript; charset=utf-8'),
    'page.css': asset(pageStyle, 'text/css; charset=utf-8'),
    'page.js': asset(pageScript, 'text/javascript; charset=utf-8'),
  };
  const versions: AssetVersions = {
    'swagger-ui.css': files['swagger-ui.css'].tag,
    'swagger-ui-bundle.js': files['swagger-ui-bundle.js'].tag,
    'page.css': files['page.css'].tag,
    'page.js': files['page.js'].tag,
  };
  return {
    '/docs': asset(docsPage(versions), 'text/html; charset=utf-8'),
    ...Object.fromEntries(Object.entries(files).map(([name, file]) => [`/docs/${name}`, file])),
  };
});

/** The maps are not served, so nothing may ask for them. */
function withoutSourceMap(text: string): string {
  return text.replace(/\n?\/[/*]# sourceMappingURL=\S+(?: \*\/)?\s*$/, '\n');
}
