import { createHmac } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  comparable,
  cookieNames,
  type Recording,
  Replay,
  type Replayed,
  recording,
  setCookies,
} from '../../test/support/talk-replay.ts';
import { type Step, talk3, talk17 } from '../../test/support/talk-timelines.ts';
import { until } from '../../test/support/until.ts';
import { startTalkSandbox, type TalkSandbox } from './index.ts';

// Every recording is covered: 98 of Talk 3.1.0 and 181 of Talk 17.1.6 are replayed in one timeline per server and compared (status,
// headers that matter, names of cookies, body with keys, JSON types and every value that is not an id, a time or a secret), and the two
// requests to a bot are compared with the ones the stand-in sends. Looser than that, each with its reason:
const onlyTypes: Record<string, string> = {
  talk3__capabilities_anonymous_200: 'server URLs in the theming; the features are compared',
  talk3__capabilities_auth_200: 'the same',
  talk17__capabilities_anonymous_200: 'the same',
  talk17__capabilities_auth_200: 'the same',
  talk17__capabilities_format_query_200: 'the same',
  talk17__talk_not_allowed_for_user_capabilities_200: 'the same',
  talk17__maintenance_capabilities_503: 'the same',
};

describe.each([
  { prefix: 'talk3', era: 'A', timeline: talk3 },
  { prefix: 'talk17', era: 'E', timeline: talk17 },
] as const)('a stand-in of era $era answers as the recordings $prefix', ({ prefix, era, timeline }) => {
  let now = 1_795_281_240_000;
  let talk: TalkSandbox;
  let replay: Replay;

  beforeAll(async () => {
    talk = await startTalkSandbox({ era, demoRoom: false, now: () => now });
    replay = new Replay(talk);
  });
  afterAll(() => talk.close());

  for (const [at, step] of timeline.entries()) {
    if (typeof step !== 'string') {
      test(`(preparation ${at})`, () => step(replay, talk));
      continue;
    }
    test(step, async () => {
      now += 1000;
      const [name = '', jar] = step.split('@');
      const file = `${prefix}__${name}`;
      const recorded = recording(file);
      const answer = await replayed(talk, replay, recorded, name, jar);
      replay.learn(recorded.response.body, answer.body);
      const before = 'X-Nextcloud-Talk-Modified-Before';
      replay.keep('time', recorded.response.headers[before], answer.headers.get(before));
      compare(file, recorded, answer);
      for (const header of ['X-Chat-Last-Given', 'X-Chat-Last-Common-Read']) {
        const id = recorded.response.headers[header];
        expect(answer.headers.get(header)).toBe(id === undefined ? null : replay.own('message', id));
      }
    });
  }
});

describe('a bot of the stand-in receives what was recorded with Talk 17', () => {
  test.each(['talk17__webhook_0_create', 'talk17__webhook_1_activity'])('%s', async (file) => {
    const recorded = recording(file) as unknown as { request: { headers: Record<string, string>; rawBody: string } };
    const received: { headers: Record<string, string>; body: string }[] = [];
    const receiver = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const pairs = request.rawHeaders.flatMap((name, at, all) => (at % 2 === 0 ? [[name, all[at + 1] ?? '']] : []));
      received.push({ headers: Object.fromEntries(pairs), body: Buffer.concat(chunks).toString('utf8') });
      response.end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const secret = 'test-only-bot-secret-0123456789-0123456789-abcdef';
    const talk = await startTalkSandbox({ demoRoom: false });
    try {
      // The ids of the recording: message 142 in room 5kqineb7, and 145 for the fourth line.
      const { token } = talk.createRoom({ name: 'Bot room', token: '5kqineb7' });
      talk.state.nextId.message = 142;
      const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
      talk.installBot({ name: 'Gateway bot', url, secret, rooms: [token] });
      const { form } = recording('talk17__chat_send_to_bot_room_201').request;
      talk.postMessage({ token, user: 'alice', message: String(form?.message) });
      const replay = new Replay(talk);
      for (const step of ['bot_message_send_201', 'bot_reaction_add_201', 'bot_reaction_delete_200']) {
        await replay.replay(recording(`talk17__${step}`));
      }
      await talk.pushesSettled();
      expect(received).toHaveLength(2);
      const ours = received[file.endsWith('create') ? 0 : 1];
      const hash = talk.state.bots[0]?.urlHash ?? '';
      expect(ours?.body.replaceAll(hash, '2bcfdbafdd1d39c73fe9042d673b1cfec7191d07')).toBe(recorded.request.rawBody);
      expect(Object.keys(ours?.headers ?? {}).filter((name) => name !== 'Connection')).toEqual(
        expect.arrayContaining(Object.keys(recorded.request.headers)),
      );
      const random = ours?.headers['X-Nextcloud-Talk-Random'] ?? '';
      const signature = createHmac('sha256', secret)
        .update(random + ours?.body)
        .digest('hex');
      expect(ours?.headers['X-Nextcloud-Talk-Signature']).toBe(signature);
      expect(random).toMatch(/^[A-Za-z0-9+/]{64}$/);
      expect(ours?.headers['X-Nextcloud-Talk-Backend']).toBe(`${talk.url}/`);
      expect(ours?.headers['User-Agent']).toBe(recorded.request.headers['User-Agent']);
    } finally {
      await talk.close();
      receiver.close();
    }
  });
});

test('no recording is left out', () => {
  const names = readdirSync(join(import.meta.dirname, '../../test/fixtures/talk/recorded'))
    .filter((file) => /^talk\d+__/.test(file) && !file.includes('__webhook_'))
    .map((file) => file.replace('.json', ''));
  const listed = (prefix: string, steps: Step[]) =>
    steps.flatMap((step) => (typeof step === 'string' ? [`${prefix}__${step.split('@')[0]}`] : []));
  expect([...listed('talk3', talk3), ...listed('talk17', talk17)].sort()).toEqual(names.sort());
});

/** Sends a recorded request; what waits for time or for another's message gets both. */
async function replayed(
  talk: TalkSandbox,
  replay: Replay,
  recorded: Recording,
  name: string,
  jar: string | undefined,
): Promise<Replayed> {
  if (name.startsWith('login_flow_v2_poll')) {
    recorded.request.form = { token: talk.state.loginFlows.at(-1)?.pollToken ?? '' };
  }
  const passwords: Record<string, string> = {
    room_list_bad_password_401: 'wrong',
    getapppassword_200: 'carol-password',
    apppassword_after_revoke_401: 'alice-app-password',
  };
  let done = false;
  const answer = replay.replay(recorded, jar, passwords[name]).finally(() => {
    done = true;
  });
  const timeout = Number(recorded.request.query?.timeout ?? 0);
  if (timeout > 0 && recorded.request.path.includes('/chat/')) {
    if (name.includes('longpoll')) {
      await until(() => talk.heldRequests() > 0);
      if (done) throw new Error(`${name} did not wait`);
      const token = recorded.request.path.split('/').at(-1);
      const api = `/apps/spreed/api/v1/chat/${replay.own('token', token)}`;
      await replay.call('bob', 'POST', api, { body: { message: 'arrives while polling' } });
    } else {
      // More than once, because the request may have come in after the first.
      await until(() => {
        talk.advance(timeout * 1000);
        return done;
      });
    }
  }
  return answer;
}

const sameHeaders = ['content-type', 'cache-control', 'expires', 'www-authenticate', 'x-nextcloud-maintenance-mode'];
const ownHeaders = ['etag', 'x-nextcloud-talk-hash', 'x-nextcloud-talk-modified-before', 'x-chat-last-given'];

function compare(file: string, { response }: Recording, ours: Replayed): void {
  expect(ours.status).toBe(response.status);
  const headers = new Headers(response.headers);
  for (const name of [...sameHeaders, 'x-nextcloud-bruteforce-throttled']) {
    expect([name, ours.headers.get(name)]).toEqual([name, headers.get(name)]);
  }
  for (const name of [...ownHeaders, 'x-chat-last-common-read']) {
    expect([name, ours.headers.has(name)]).toEqual([name, headers.has(name)]);
  }
  const names = setCookies(ours.headers).map(([name]) => name);
  expect(cookieNames(names)).toEqual(cookieNames(response.setCookieNames));
  const raw = response.raw !== undefined;
  expect(comparedIn(file, raw ? ours.text : ours.body)).toEqual(comparedIn(file, raw ? response.raw : response.body));
}

/** The parts of a body in which ours and the recorded one are the same. */
function comparedIn(file: string, body: unknown): unknown {
  // The same document as XML, so the tags in front of Talk's part and behind it decide.
  if (file.endsWith('capabilities_xml_default_200'))
    return [
      /^<\?xml version="1.0"\?>\n<ocs>\n <meta>\n {2}<status>ok<\/status>/,
      / {4}<features>\n {5}<element>audio/,
    ].map((part) => part.exec(String(body))?.[0]);
  if (typeof body === 'string') return body;
  return { body: comparable(body, Object.hasOwn(onlyTypes, file)), features: featuresIn(body) };
}

/** The features in an answer about capabilities; undefined for every other answer. */
function featuresIn(body: unknown): string[] | undefined {
  const { ocs } = (body ?? {}) as { ocs?: { data?: { capabilities?: { spreed?: { features: string[] } } } } };
  return ocs?.data?.capabilities?.spreed?.features.toSorted();
}
