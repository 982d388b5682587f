import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** Every source file of a folder, relative to the project. Tests are next to the code and may import anything. */
function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

interface Import {
  file: string;
  /** A path of the project, or a package name. */
  target: string;
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const specifiers = [
    ...source.matchAll(
      /(?:^|\s)(?:import|export)\s[^;'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm,
    ),
  ];
  return specifiers.map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    const target = specifier.startsWith('.') ? relative(root, resolve(root, dirname(file), specifier)) : specifier;
    return { file, target };
  });
}

const everyVendor = ['lib/vendors/proptt2', 'lib/vendors/talk', 'lib/vendors/timetonic'] as const;

/** Which modules each module may import; it may always import itself. From the bottom to the top, so that nothing points upwards. */
const mayImport = {
  'lib/core': [],
  'lib/store': ['lib/core'],
  'lib/vendors/proptt2': ['lib/core'],
  'lib/vendors/talk': ['lib/core'],
  'lib/vendors/timetonic': ['lib/core'],
  'lib/vendors': [...everyVendor, 'lib/core'],
  'lib/api': ['lib/store', 'lib/core'],
  'lib/connections': ['lib/api', 'lib/store', 'lib/core'],
  'lib/expressions': ['lib/core'],
  'lib/events': ['lib/connections', 'lib/api', 'lib/store', 'lib/core'],
  'lib/subscriptions': ['lib/events', 'lib/expressions', 'lib/connections', 'lib/api', 'lib/store', 'lib/core'],
  'lib/hooks': ['lib/events', 'lib/expressions', 'lib/connections', 'lib/api', 'lib/store', 'lib/core'],
  'lib/automations': [
    'lib/hooks',
    'lib/subscriptions',
    'lib/events',
    'lib/expressions',
    'lib/connections',
    'lib/api',
    'lib/store',
    'lib/core',
  ],
  'lib/stream': ['lib/automations', 'lib/subscriptions', 'lib/events', 'lib/api', 'lib/store', 'lib/core'],
  'lib/watch': ['lib/automations', 'lib/hooks', 'lib/events', 'lib/api', 'lib/store', 'lib/core'],
  'lib/site/console': ['lib/core'],
  'lib/site': ['lib/watch', 'lib/connections', 'lib/api', 'lib/store', 'lib/core'],
  'lib/aws': [
    'lib/stream',
    'lib/site',
    'lib/watch',
    'lib/automations',
    'lib/hooks',
    'lib/subscriptions',
    'lib/events',
    'lib/expressions',
    'lib/connections',
    'lib/api',
    'lib/store',
    'lib/core',
  ],
  sandbox: [],
  cli: ['lib/core'],
  recipes: ['lib/automations'],
  functions: [
    'recipes',
    'lib/aws',
    'lib/site',
    'lib/watch',
    'lib/automations',
    'lib/hooks',
    'lib/subscriptions',
    'lib/events',
    'lib/expressions',
    'lib/connections',
    'lib/api',
    'lib/store',
    'lib/vendors',
    ...everyVendor,
    'lib/core',
  ],
  build: [],
  // The start of the product publishes the admin key before the first clock does.
  local: [
    'build',
    'functions',
    'lib/aws',
    'lib/stream',
    'lib/api',
    'lib/store',
    'lib/vendors',
    'lib/core',
    'sandbox',
    'cli',
  ],
  cdk: ['build', 'functions', 'lib/vendors', 'lib/core'],
} as const satisfies Record<string, readonly string[]>;
type Room = keyof typeof mayImport;

const rooms = (Object.keys(mayImport) as Room[]).sort((a, b) => b.length - a.length);

/** The module of a file: the one with the longest path that holds it. */
function roomOf(path: string): Room | undefined {
  return rooms.find((room) => path.startsWith(`${room}/`));
}

/** Packages that only certain modules may import. */
const packageRooms: readonly { pattern: RegExp; rooms: readonly Room[] }[] = [
  { pattern: /^@aws-sdk\/(client-dynamodb|util-dynamodb)$/, rooms: ['lib/store', 'local', 'cdk', 'cli'] },
  { pattern: /^(@aws-sdk\/|@aws\/|@middy\/|aws-lambda$)/, rooms: ['lib/aws', 'cdk', 'local', 'cli'] },
  { pattern: /^(aws-cdk-lib|constructs|cdk-nag|esbuild)(\/|$)/, rooms: ['build', 'cdk', 'local'] },
  { pattern: /^(preact|@preact\/|@codemirror\/|codemirror|@lezer\/)/, rooms: ['lib/site/console'] },
  { pattern: /^tus-js-client$/, rooms: ['lib/vendors/timetonic'] },
  { pattern: /^ws$/, rooms: ['lib/vendors/timetonic', 'sandbox'] },
];

const sources = ['lib', 'recipes', 'functions', 'local', 'sandbox', 'cdk', 'cli', 'build'].flatMap(filesOf);
const imports = sources.flatMap(importsOf);

describe('who may import whom', () => {
  test('the test sees the project', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(200);
    expect(importsOf('functions/proptt2.ts').map((each) => each.target)).toContain('lib/vendors/proptt2/index.ts');
  });

  test('every source file lies in a module of this list', () => {
    expect(sources.filter((file) => roomOf(file) === undefined)).toEqual([]);
  });

  test('every import stays within the rule', () => {
    const breaches = imports.filter(({ file, target }) => {
      const from = roomOf(file);
      const to = roomOf(target);
      if (from === undefined || to === undefined) return false;
      return from !== to && !(mayImport[from] as readonly Room[]).includes(to);
    });
    expect(breaches).toEqual([]);
  });

  test('packages are imported only by their modules', () => {
    const breaches = imports.filter(({ file, target }) => {
      const from = roomOf(file);
      const owner = packageRooms.find(({ pattern }) => pattern.test(target));
      return owner !== undefined && from !== undefined && !owner.rooms.includes(from);
    });
    expect(breaches).toEqual([]);
  });

  test('the routes of a folder are in its routes.ts', () => {
    const declaring = sources.filter((file) =>
      /import \{[^}]*\broute\b[^}]*\} from '[^']*\/route\.ts'/.test(codeOf(file)),
    );
    expect(declaring.length).toBeGreaterThan(15);
    expect(declaring.filter((file) => basename(file) !== 'routes.ts')).toEqual([]);
  });

  test('core imports only zod and Node', () => {
    const foreign = imports.filter(
      ({ file, target }) => roomOf(file) === 'lib/core' && !/^(node:|zod\/mini$|lib\/core\/)/.test(target),
    );
    expect(foreign).toEqual([]);
  });

  test('zod comes as zod/mini, never as named imports of zod', () => {
    const offenders = sources.filter((file) =>
      /from 'zod'|import \{[^}]*\} from 'zod\/mini'/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(offenders).toEqual([]);
  });
});

/** What the product does in one file only. The stand-in vendors are separate programs. */
const doneOnce = [
  { what: 'encryption', pattern: /createCipheriv|createDecipheriv/, files: ['lib/core/seal.ts'] },
  {
    what: 'requests to other servers',
    pattern: /request as httpRequest|\bundici\b/,
    files: ['lib/core/http/exchange.ts'],
  },
  { what: 'arithmetic with time zones', pattern: /Intl\.DateTimeFormat\([^)]/, files: ['lib/core/zone-time.ts'] },
  {
    what: 'the refusal of an input',
    pattern: /(\$\{what\}|The (input|automation)) was refused/,
    files: ['lib/core/errors.ts'],
  },
  { what: 'a bounded map', pattern: /extends Map\b|\.keys\(\)\.next\(\)/, files: ['lib/core/lru-map.ts'] },
  { what: 'the form of a slug', pattern: /\[a-z\]\[a-z0-9\\*-\]/, files: ['lib/core/slug.ts'] },
];

describe('one implementation of each', () => {
  test.each(doneOnce)('$what', ({ pattern, files }) => {
    const users = sources.filter(
      (file) => /^(lib|functions|local|cli|cdk|build|recipes)\//.test(file) && pattern.test(codeOf(file)),
    );
    expect(users).toEqual(files);
  });

  test('no source refers to notes outside of the repository', () => {
    expect(sources.filter((file) => /design section|trap T\d|\.\.\/shared\//.test(codeOf(file)))).toEqual([]);
  });
});

function codeOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
