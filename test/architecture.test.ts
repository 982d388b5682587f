import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** Every file of a folder, relative to the project. */
function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
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

/** The room of a file: the first rule whose folder it lies in. */
const rooms = [
  'lib/core',
  'lib/store',
  'lib/gateway',
  'lib/events',
  'lib/automations',
  'lib/aws',
  'lib/vendors/proptt2',
  'lib/vendors/talk',
  'lib/vendors/timetonic',
  'lib/vendors',
  'local/sandbox',
  'local',
  'functions',
  'cdk',
  'test',
] as const;
type Room = (typeof rooms)[number];

function roomOf(path: string): Room | undefined {
  return rooms.find((room) => path === room || path.startsWith(`${room}/`));
}

const everyLib: Room[] = [
  'lib/core',
  'lib/store',
  'lib/gateway',
  'lib/events',
  'lib/automations',
  'lib/aws',
  'lib/vendors',
];
const everyVendor: Room[] = ['lib/vendors/proptt2', 'lib/vendors/talk', 'lib/vendors/timetonic'];

/** Who may import whom, as the design says; a room may always import itself. */
const mayImport: Readonly<Record<Exclude<Room, 'test'>, readonly Room[]>> = {
  'lib/core': [],
  'lib/store': ['lib/core'],
  'lib/gateway': ['lib/store', 'lib/core'],
  'lib/events': ['lib/gateway', 'lib/store', 'lib/core'],
  'lib/automations': ['lib/events', 'lib/gateway', 'lib/store', 'lib/core'],
  'lib/aws': ['lib/automations', 'lib/events', 'lib/gateway', 'lib/store', 'lib/core'],
  'lib/vendors/proptt2': ['lib/core'],
  'lib/vendors/talk': ['lib/core'],
  'lib/vendors/timetonic': ['lib/core'],
  'lib/vendors': [...everyVendor, 'lib/core'],
  'local/sandbox': [],
  local: ['local/sandbox', 'functions', ...everyLib, ...everyVendor],
  functions: [...everyLib, ...everyVendor],
  cdk: ['lib/vendors', ...everyVendor, 'lib/core', 'functions'],
};

/** Packages that belong to certain rooms alone. */
const packageRooms: readonly { pattern: RegExp; rooms: readonly Room[] }[] = [
  { pattern: /^@aws-sdk\/(client-dynamodb|util-dynamodb)$/, rooms: ['lib/store', 'local', 'cdk'] },
  { pattern: /^(@aws-sdk\/|@aws\/|@middy\/|aws-lambda$)/, rooms: ['lib/aws', 'cdk', 'local'] },
  { pattern: /^(aws-cdk-lib|constructs|cdk-nag|esbuild)(\/|$)/, rooms: ['cdk', 'local'] },
  { pattern: /^tus-js-client$/, rooms: ['lib/vendors/timetonic'] },
  { pattern: /^ws$/, rooms: ['lib/vendors/timetonic', 'local/sandbox'] },
];

const sources = ['lib', 'functions', 'local', 'cdk'].flatMap(filesOf);
const imports = sources.flatMap(importsOf);

describe('who may import whom', () => {
  test('the test sees the project', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(200);
    expect(importsOf('functions/proptt2.ts').map((each) => each.target)).toContain('lib/vendors/proptt2/index.ts');
  });

  test('every import stays within the rule', () => {
    const breaches = imports.filter(({ file, target }) => {
      const from = roomOf(file);
      const to = roomOf(target);
      if (from === undefined || from === 'test' || to === undefined) return false;
      return from !== to && !mayImport[from].includes(to);
    });
    expect(breaches).toEqual([]);
  });

  test('packages stay in the rooms that they belong to', () => {
    const breaches = imports.filter(({ file, target }) => {
      const from = roomOf(file);
      const owner = packageRooms.find(({ pattern }) => pattern.test(target));
      return owner !== undefined && from !== undefined && !owner.rooms.includes(from);
    });
    expect(breaches).toEqual([]);
  });

  test('core knows zod and Node alone', () => {
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

  test('no file outgrows 300 lines', () => {
    const long = sources.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 301);
    expect(long).toEqual([]);
  });
});
