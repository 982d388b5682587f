import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Effect, type Operation, parseInput, rawRouteOf, schemasOf } from '../../lib/core/operation.ts';
import type { RawRequest, VendorAnswer } from '../../lib/core/vendor.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { playedCall, type RecordedExchange, textOf } from '../support/played-call.ts';
import { type PlayedFrame, playSocket } from '../support/played-socket.ts';

interface Fixture {
  effect: Effect;
  input: Record<string, unknown>;
  /** What goes to the vendor and what comes back, in order. */
  exchanges: RecordedExchange[];
  /** The same at the vendor's socket. */
  socket?: PlayedFrame[];
  output: unknown;
}

const folder = join(import.meta.dirname, '..', 'fixtures', 'operations');
const names = JSON.parse(readFileSync(join(folder, 'names.json'), 'utf8')) as Record<string, Record<string, Effect>>;

/** A recorded request as a caller of `raw` would name it; undefined for one that goes elsewhere than to the vendor's API. */
function rawRequest(vendorName: string, { method, url, body }: RecordedExchange['request']): RawRequest | undefined {
  const { pathname, searchParams: query } = new URL(url);
  const path = decodeURIComponent(pathname);
  if (vendorName === 'proptt2') return { method, path: path.replace('/openapi/1/', ''), query, body };
  if (vendorName === 'talk') return path.includes('/apps/spreed/') ? { method, path, query, body } : undefined;
  if (path.startsWith('/live/dbi/')) return { method, path: path.replace('/live/', ''), query, body: undefined };
  const req = /(?:^|&)req=(\w+)|name="req"\s+(\w+)/.exec(String(body))?.slice(1).find(Boolean);
  return req === undefined ? undefined : { method, path: req, query: new URLSearchParams(), body: undefined };
}

/** What a caller gets: a file as its type and text, anything else as JSON of the form that the operation declares. */
async function outputOf(operation: Operation, answer: VendorAnswer) {
  if ('file' in answer) return { output: { type: answer.file.type, text: await textOf(answer.file.stream) } };
  return { status: answer.status, output: JSON.parse(JSON.stringify(schemasOf(operation).output.parse(answer.body))) };
}

/** The loop over the catalogue: every operation by its fixed name, with a fixture that its schemas accept. */
describe.each(Object.keys(vendors))('%s', (vendorName) => {
  const vendor = vendors[vendorName as keyof typeof vendors];
  if (!vendor) throw new Error(`${vendorName} is not in the catalogue`);

  test('has exactly the operations of the list', () => {
    expect(Object.keys(vendor.operations).sort()).toEqual(Object.keys(names[vendorName] ?? {}).sort());
  });

  test('has exactly one fixture for each operation', () => {
    const files = readdirSync(join(folder, vendorName)).flatMap((file) =>
      file.startsWith('_') ? [] : [file.replace(/\.json$/, '')],
    );
    expect(files.sort()).toEqual(Object.keys(vendor.operations).sort());
  });

  describe.each(Object.keys(vendor.operations))(`${vendorName}.%s`, (name) => {
    const operation = vendor.operations[name];
    if (!operation) throw new Error(`${name} is not declared`);
    const fixture = JSON.parse(readFileSync(join(folder, vendorName, `${name}.json`), 'utf8')) as Fixture;

    test('has the effect of the list', () => {
      expect(operation.effect).toBe(names[vendorName]?.[name]);
      expect(fixture.effect).toBe(operation.effect);
    });

    test('takes the input of its fixture and refuses an unknown field by name', () => {
      const schema = schemasOf(operation).input;
      expect(() => parseInput(schema, fixture.input)).not.toThrow();
      expect(() => parseInput(schema, { ...fixture.input, surprise: 1 })).toThrow('/surprise is not a field');
    });

    test('sends what its fixture says and answers in its form', async () => {
      const connection = JSON.parse(readFileSync(join(folder, vendorName, '_connection.json'), 'utf8'));
      const socket = fixture.socket && (await playSocket(fixture.socket));
      const settings = { ...connection.settings, ...socket?.settings };
      const played = playedCall(vendor.name, { ...connection, settings }, fixture.exchanges);
      const answer = await vendor.send(
        name,
        operation,
        parseInput(schemasOf(operation).input, fixture.input),
        played.call,
      );
      expect(played.left()).toEqual([]);
      expect((await socket?.close()) ?? []).toEqual([]);
      const { status = 200, output } = await outputOf(operation, answer);
      expect(output).toEqual(fixture.output);
      expect(status).toBe(operation.creates ? 201 : 200);
    });

    test('is recognised when it is made raw, so that the scope for raw alone reaches no declared write', async () => {
      const asked = fixture.exchanges.flatMap(({ request }) => rawRequest(vendorName, request) ?? []);
      const found = await Promise.all(
        // What is refused for its form is recognised, too.
        asked.map((request) =>
          Promise.resolve(request)
            .then(vendor.matchRaw)
            .catch(() => 'refused'),
        ),
      );
      const unknown = asked.filter((request, at) => request.method !== 'GET' && found[at] === undefined);
      expect(unknown).toEqual([]);
      // Those of the session make whichever requests a login takes.
      if (typeof operation.call !== 'function' || !rawRouteOf(operation) || operation.effect === 'session') return;
      expect(found).toContainEqual(expect.toSatisfy((match) => match === 'refused' || match.operation === name));
    });

    if (schemasOf(operation).output._zod.def.type === 'object') {
      test('passes on fields that the vendor adds', () => {
        const parsed = schemasOf(operation).output.safeParse({ ...Object(fixture.output), newerField: true });
        expect(parsed.data).toMatchObject({ newerField: true });
      });
    }
  });
});
