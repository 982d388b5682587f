import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import type { EventType, FoundEvent, Push } from '../../../core/event-type.ts';
import { parseJson, parseLenientJson } from '../../../core/json.ts';
import { isRecord } from '../../../core/record.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';

const sender = () => ({ senderId: z.nullable(z.string()), senderName: z.nullable(z.string()) });

/** The content of the vendor's CallbackAPI: names and addresses decoded, a position of 0, 0 unknown. */
export const callbackTypes: Readonly<Record<string, EventType>> = {
  'proptt2.function_key.pressed': {
    summary: 'Somebody pressed a function key in a channel',
    readBy: 'getUserList',
    data: () =>
      z.looseObject({
        channelId: z.nullable(z.int()),
        ...sender(),
        latitude: z.nullable(z.number()),
        longitude: z.nullable(z.number()),
      }),
    sample: { channelId: 3, senderId: 'kim@company.ptt', senderName: 'Kim', latitude: 37.012, longitude: 127.106 },
  },
  'proptt2.video_call.started': {
    summary: 'Somebody started a video call',
    readBy: 'getUserList',
    data: () => z.looseObject({ videoChannelId: z.nullable(z.int()), ...sender(), url: z.nullable(z.string()) }),
    sample: { videoChannelId: 3, senderId: 'kim@company.ptt', senderName: 'Kim', url: 'rtsp://10.0.0.11:41344/8523' },
  },
  'proptt2.callback.received': {
    summary: 'A callback with an unknown command, unchanged',
    readBy: 'getUserList',
    data: () => z.looseObject({ cmd: z.nullable(z.string()), body: z.unknown() }),
    sample: { cmd: 'xx', body: { cmd: 'xx' } },
  },
};

/** Byte-identical bodies within this many seconds are one key press: the vendor sends no id and no time. */
const duplicateWindowSeconds = 2;

/** The vendor's CallbackAPI has no signature: the secret in the hook's own address authenticates it. */
export const callback: Push<Proptt2Settings, Proptt2Credentials> = {
  summary: "The CallbackAPI of ProPTT2: enter the hook's address as the callback URL at adminWeb",
  async receive(request) {
    const body = read(request.rawBody);
    const digest = createHash('sha256').update(request.rawBody).digest('base64url').slice(0, 22);
    const event: FoundEvent = {
      ...meaning(body),
      id: `${request.receivedAt}-${digest}`,
      timestamp: new Date(request.receivedAt).toISOString(),
    };
    return { events: [event], nonce: digest, nonceSeconds: duplicateWindowSeconds };
  },
};

function read(rawBody: Buffer): Record<string, unknown> {
  const text = rawBody.toString('utf8');
  for (const parse of [parseJson, parseLenientJson]) {
    try {
      const body = parse(text);
      if (isRecord(body)) return body;
    } catch {
      // The lenient parser runs next; if it fails too, the body is rejected.
    }
  }
  throw new GatewayError('invalid_json', 'A ProPTT2 callback must be a JSON object.');
}

function meaning(body: Record<string, unknown>): Pick<FoundEvent, 'type' | 'data'> {
  const who = { senderId: textOf(body.senderId), senderName: decoded(body.senderName) };
  if (body.cmd === 'fn') {
    const [latitude, longitude] = [degrees(body.latitude), degrees(body.longitude)];
    const known = latitude !== 0 || longitude !== 0;
    return {
      type: 'proptt2.function_key.pressed',
      data: {
        channelId: idOf(body.channelId),
        ...who,
        latitude: known ? latitude : null,
        longitude: known ? longitude : null,
      },
    };
  }
  if (body.cmd === 'vc') {
    return {
      type: 'proptt2.video_call.started',
      data: { videoChannelId: idOf(body.videoChannelId), ...who, url: decoded(body.URL) },
    };
  }
  return { type: 'proptt2.callback.received', data: { cmd: textOf(body.cmd), body } };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

/** Percent-decoded text; if the encoding is broken, the text as received. */
function decoded(value: unknown): string | null {
  const text = textOf(value);
  if (text === null) return null;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function idOf(value: unknown): number | null {
  const id = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : null;
}

function degrees(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}
