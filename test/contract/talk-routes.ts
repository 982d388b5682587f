import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rawRouteOf } from '../../lib/core/operation.ts';
import { talk } from '../../lib/vendors/talk/index.ts';
import { dialectOf, featuresIn, routeOf, routes, type TalkRoute } from '../../lib/vendors/talk/wire/dialect.ts';
import { addressOf } from '../../lib/vendors/talk/wire/request.ts';

/** Which API version serves each route in each release of Talk: facts read out of the releases' own route tables. */
interface RouteFacts {
  routes: Record<string, Record<string, string[]>>;
}

/** The part of an OpenAPI document that is looked at. */
interface Described {
  paths: Record<string, Record<string, { parameters?: { name: string; schema?: { enum?: string[] } }[] }>>;
}

const facts = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/talk/route-versions.json'), 'utf8'),
) as RouteFacts;
const releases = [...new Set(Object.values(facts.routes).flatMap(Object.keys))].sort((a, b) =>
  a.localeCompare(b, 'en', { numeric: true }),
);
const newest = releases.at(-1) ?? '';
const ours = Object.keys(routes) as TalkRoute[];

/** Where a request goes in a release: `GET v4 /room/{token}`, or nothing where it is refused as too new. */
function requestIn(route: TalkRoute, release: string): { key: string; version: string } | undefined {
  const features = featuresIn(release);
  const dialect = dialectOf({ nextcloud: '', features, maxLength: 0 });
  const { needs } = routeOf(route);
  if (needs && !dialect.has(needs)) return undefined;
  const { method, path } = addressOf(route, dialect);
  const [version = '', ...rest] = path.split('/');
  return { key: `${method} /${rest.join('/')}`, version };
}

/** The versions under which a release serves a route; `{webinar}` stands for both spellings of that step. */
function served(key: string, release: string): string[] {
  const general = key.replace(/\/webinary?\//, '/{webinar}/');
  return facts.routes[key]?.[release] ?? facts.routes[general]?.[release] ?? [];
}

/** The facts cover the areas of rooms, calls, chat, signaling and bots, and not those of reactions and polls. */
const covered = new Set(Object.keys(facts.routes).map((key) => key.split('/')[1]));

/** Requests that we would make and a server would not answer, as sentences. What the facts do not cover needs the document. */
export function mistakes(described?: Described): string[] {
  return ours.flatMap((route) =>
    releases.flatMap((release) => {
      const request = requestIn(route, release);
      if (request === undefined) return [];
      const inFacts = covered.has(request.key.split('/')[1]);
      const versions = inFacts
        ? served(request.key, release)
        : described && release === newest
          ? describedVersions(described, request.key)
          : [request.version];
      if (versions.includes(request.version)) return [];
      return [`Talk ${release} does not serve ${request.version} ${request.key}, which ${route} becomes there`];
    }),
  );
}

function describedVersions(described: Described, key: string): string[] {
  const [method = '', path = ''] = key.split(' ');
  const found = described.paths[`/ocs/v2.php/apps/spreed/api/{apiVersion}${path}`]?.[method.toLowerCase()];
  return found?.parameters?.find(({ name }) => name === 'apiVersion')?.schema?.enum ?? [];
}

/** What servers have and no operation makes, by the facts alone or with an OpenAPI document beside them. */
export function report(described?: Described): string {
  const operations = Object.entries(talk.operations);
  const lines = [
    '# Routes of Talk, and what is made of them',
    '',
    'Written by `node test/contract/talk-routes.ts`, given the path of an `openapi-full.json` of Talk for the last section.',
    `The facts are \`test/fixtures/talk/route-versions.json\`: ${Object.keys(facts.routes).length} routes in ${releases.length} releases, Talk ${releases[0]} to ${newest}.`,
    '',
    '## What each operation becomes',
    '',
    '| operation | Talk 3 | Talk 6 | newest | since |',
    '|---|---|---|---|---|',
  ];
  for (const [name, operation] of operations) {
    // Declared with one of the vendor's routes.
    const route = rawRouteOf(operation) as TalkRoute | undefined;
    const cell = (release: string) => {
      const request = route && requestIn(route, release);
      return request ? `\`${request.key.replace(' /', ` ${request.version}/`)}\`` : route ? 'too old' : 'capabilities';
    };
    lines.push(`| \`${name}\` | ${cell('3.0.0')} | ${cell('6.0.0')} | ${cell(newest)} | ${operation.since ?? '3'} |`);
  }
  const made = new Set(ours.flatMap((route) => releases.flatMap((release) => requestIn(route, release)?.key ?? [])));
  const isMade = (key: string) =>
    made.has(key) || [...made].some((each) => each.replace(/\/webinary?\//, '/{webinar}/') === key);
  const open = Object.keys(facts.routes).filter((key) => !isMade(key));
  const now = open.filter((key) => served(key, newest).length > 0);
  const gone = open.filter((key) => served(key, newest).length === 0);
  lines.push('', `## On servers, and no operation of ours (${now.length} of Talk ${newest})`, '');
  lines.push(
    'All of them can be called with `raw`, which passes everything on as it is. They are left to it because they are:',
    '',
  );
  for (const reason of new Set([...Object.values(reasons), otherwise])) lines.push(`- ${reason}`);
  lines.push('', '| route | version | since Talk | why |', '|---|---|---|---|');
  for (const key of now)
    lines.push(`| \`${key}\` | ${served(key, newest).join(', ')} | ${firstOf(key)} | ${reasonOf(key)} |`);
  lines.push('', `## Gone from servers, and never ours (${gone.length})`, '', '| route | from | to |', '|---|---|---|');
  for (const key of gone) lines.push(`| \`${key}\` | ${firstOf(key)} | ${lastOf(key)} |`);
  if (described) lines.push(...describedSection(described, isMade));
  return `${lines.join('\n')}\n`;
}

function describedSection(described: Described, isMade: (key: string) => boolean): string[] {
  const found = Object.entries(described.paths).flatMap(([path, methods]) => {
    const below = path.split('/{apiVersion}')[1];
    if (below === undefined || !path.includes('/apps/spreed/api/')) return [];
    return Object.entries(methods).flatMap(([method, { parameters = [] }]) => {
      const version = parameters.find(({ name }) => name === 'apiVersion')?.schema?.enum?.join(', ') ?? '';
      const key = `${method.toUpperCase()} ${below}`;
      return isMade(key) || Object.hasOwn(facts.routes, key) ? [] : [{ key, version }];
    });
  });
  const lines = ['', `## Described by the server's OpenAPI document beyond those (${found.length})`, ''];
  lines.push('| route | version | why |', '|---|---|---|');
  for (const { key, version } of found.sort((a, b) => (a.key < b.key ? -1 : 1)))
    lines.push(`| \`${key}\` | ${version} | ${reasonOf(key)} |`);
  return lines;
}

/** Why a route is left to raw, by what its path begins with or holds; the first that fits counts. */
const reasons: Readonly<Record<string, string>> = {
  '/signaling': 'for media: sound and pictures are not the business of a gateway',
  '/hostedsignalingserver': "for administrators: the server's own set-up",
  '/recording/': 'for the recording backend, which signs its requests',
  '/bot/admin': "for administrators: the server's own set-up",
  '/bot/ask-features': 'for the recording backend, which signs its requests',
  '/certificate': "for administrators: the server's own set-up",
  '/settings': "for administrators: the server's own set-up",
  '/federation': 'for other servers: invitations and rooms of a federation',
  '/live-transcription': 'for media: sound and pictures are not the business of a gateway',
  '/breakout-rooms': 'for meetings: breakout rooms, SIP dial-in and guests on the telephone',
  dialin: 'for meetings: breakout rooms, SIP dial-in and guests on the telephone',
  dialout: 'for meetings: breakout rooms, SIP dial-in and guests on the telephone',
  'dial-': 'for meetings: breakout rooms, SIP dial-in and guests on the telephone',
  '/sip': 'for meetings: breakout rooms, SIP dial-in and guests on the telephone',
  '/pin/{pin}': 'for meetings: breakout rooms, SIP dial-in and guests on the telephone',
  '/bridge': 'for Matterbridge, which bridges chats by itself',
  mentions: "for people's screens: what a client shows, completes or remembers for one person",
  ...Object.fromEntries(
    [
      'archive',
      'favorite',
      'important',
      'sensitive',
      '/tags',
      'avatar',
      '/dashboard',
      '/publicshare',
      '/presets',
      'upcoming',
      'subscribed',
      'draft',
      'overview',
      'pin/self',
    ].map((part) => [part, "for people's screens: what a client shows, completes or remembers for one person"]),
  ),
  '/file/': "for people's screens: what a client shows, completes or remembers for one person",
};
const otherwise = 'rarely wanted from outside, and the same on every server that has it';

function reasonOf(key: string): string {
  const found = Object.keys(reasons).find((part) => key.includes(part));
  return (found === undefined ? undefined : reasons[found]) ?? otherwise;
}

const firstOf = (key: string) => releases.find((release) => served(key, release).length > 0) ?? '';
const lastOf = (key: string) => releases.findLast((release) => served(key, release).length > 0) ?? '';

if (import.meta.main) {
  const [path] = process.argv.slice(2);
  const document = path === undefined ? undefined : (JSON.parse(readFileSync(path, 'utf8')) as Described);
  process.stdout.write(report(document));
  for (const mistake of mistakes(document)) process.stderr.write(`${mistake}\n`);
}
