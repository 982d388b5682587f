import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { normalizeAnswer } from '../../lib/core/answer-shape.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { parseInput, schemasOf } from '../../lib/core/operation.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { playedCall, type RecordedExchange, textOf } from '../support/played-call.ts';
import { type PlayedFrame, playSocket } from '../support/played-socket.ts';

interface Fixture {
  input: Record<string, unknown>;
  exchanges: RecordedExchange[];
  socket?: PlayedFrame[];
}

const folder = join(import.meta.dirname, '..', 'fixtures', 'operations');

/** Fields of the protocol itself: without them a response is not valid. */
const protocol = /^(?:\/ocs(?:\/meta(?:\/.*)?|\/data)?|\/status|\/code)?$/;

/** Fields that the product itself needs: a place to upload to, an id to attach a file to. */
const needed: Readonly<Record<string, RegExp>> = {
  'proptt2.getServerUrl': /^\/(?:ServerURL|Rand)$/,
  'timetonic.createAppkey': /^\/appkey$/,
  'timetonic.createOauthkey': /^\/oauthkey$/,
  'timetonic.registerSMSGateway': /^\/sesskey$/,
  'timetonic.sendMsg': /^\/(?:createMessageId|smid)$/,
  // The recorded answer is a refusal, and this is its reason.
  'timetonic.unregisterSMSGateway': /^\/error$/,
};

/** Every place of a JSON value, as a JSON pointer's steps; of a list only the first entry. */
function placesIn(value: unknown, path: readonly string[] = []): string[][] {
  if (value === null || typeof value !== 'object') return [];
  const entries = Array.isArray(value) ? Object.entries(value.slice(0, 1)) : Object.entries(value);
  return entries.flatMap(([key, inner]) => [[...path, key], ...placesIn(inner, [...path, key])]);
}

/** The value with one place changed: `change` gets the object or list that holds it. */
function changed(value: unknown, path: readonly string[], change: (holder: never, key: string) => void): unknown {
  const copy: unknown = structuredClone(value);
  let holder = copy;
  for (const step of path.slice(0, -1)) holder = Reflect.get(Object(holder), step);
  change(holder as never, path.at(-1) ?? '');
  return copy;
}

/** Fields that make a call read or send more than one request. */
const optIns = ['all', 'merge', 'ensure'];

type Holder = Record<string, unknown>;

const oddities: Readonly<Record<string, (holder: Holder, key: string) => void>> = {
  missing: (holder, key) => {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  },
  renamed: (holder, key) => {
    holder[`${key}New`] = holder[key];
    if (!Array.isArray(holder)) delete holder[key];
  },
  null: (holder, key) => {
    holder[key] = null;
  },
  'a text': (holder, key) => {
    holder[key] = 'another type';
  },
  'a number': (holder, key) => {
    holder[key] = 7.5;
  },
  'a boolean': (holder, key) => {
    holder[key] = true;
  },
  'a list': (holder, key) => {
    holder[key] = ['another', { type: 1 }];
  },
  'an object': (holder, key) => {
    holder[key] = { another: 'type' };
  },
};

/** What a call gives for recorded answers, or the error that it throws. */
async function outcome(
  vendorName: keyof typeof vendors,
  name: string,
  fixture: Fixture,
  exchanges: RecordedExchange[],
) {
  const vendor = vendors[vendorName];
  const operation = vendor?.operations[name];
  if (!vendor || !operation) throw new Error(`${vendorName}.${name} is not declared`);
  const connection = JSON.parse(readFileSync(join(folder, vendorName, '_connection.json'), 'utf8'));
  const socket = fixture.socket && (await playSocket(fixture.socket));
  const settings = { ...connection.settings, ...socket?.settings };
  // Another answer may lead to other requests: the last recorded answer stands for them.
  const played = playedCall(vendor.name, { ...connection, settings }, exchanges, 'leniently');
  const { input, output } = schemasOf(operation);
  try {
    const answer = await vendor.send(name, operation, parseInput(input, fixture.input), played.call);
    if ('file' in answer) return { text: await textOf(answer.file.stream) };
    const parsed = output.safeParse(answer.body);
    return parsed.success ? { body: parsed.data, mismatches: [] } : normalizeAnswer(output, answer.body);
  } finally {
    await socket?.close();
  }
}

describe.each(Object.keys(vendors) as (keyof typeof vendors)[])('%s', (vendorName) => {
  const names = readdirSync(join(folder, vendorName)).flatMap((file) =>
    file.startsWith('_') ? [] : [file.replace(/\.json$/, '')],
  );

  test.each(names)(`${vendorName}.%s answers whatever form a field has`, async (name) => {
    const fixture = JSON.parse(readFileSync(join(folder, vendorName, `${name}.json`), 'utf8')) as Fixture;
    const operation = vendors[vendorName]?.operations[name];
    const flags = optIns.filter((flag) => operation && Object.hasOwn(schemasOf(operation).shape, flag));
    const inputs = [fixture.input, ...flags.map((flag) => ({ ...fixture.input, [flag]: true }))];
    const failures: string[] = [];
    for (const [at, exchange] of fixture.exchanges.entries()) {
      const body = jsonOf(exchange.response.body);
      for (const path of placesIn(body)) {
        const pointer = path.map((step) => `/${step}`).join('');
        if (protocol.test(pointer) || needed[`${vendorName}.${name}`]?.test(pointer)) continue;
        for (const [oddity, change] of Object.entries(oddities)) {
          const response = { ...exchange.response, body: JSON.stringify(changed(body, path, change)) };
          const exchanges = fixture.exchanges.with(at, { ...exchange, response });
          for (const input of inputs) {
            const failure = await outcome(vendorName, name, { ...fixture, input }, exchanges).then(
              () => undefined,
              (error: unknown) => error,
            );
            if (failure !== undefined && !isOwnNeed(failure)) failures.push(`${pointer} ${oddity}: ${failure}`);
          }
        }
      }
    }
    expect(failures).toEqual([]);
  });
});

function jsonOf(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** A refusal that says what is wrong in the caller's terms; anything that answers 502 or 500 is not one. */
function isOwnNeed(error: unknown): boolean {
  return error instanceof GatewayError && error.status < 500;
}
