import { keepNewest, type Proptt2State } from './state.ts';

/** What the vendor's CallbackAPI posts: a pressed function key, or a started video call. Names are given unencoded. */
export type Callback =
  | {
      cmd: 'fn';
      channelId: number;
      senderId: string;
      senderName: string;
      /** 0 is unknown. */
      latitude?: number;
      longitude?: number;
    }
  | { cmd: 'vc'; videoChannelId: number; senderId: string; senderName: string; URL: string };

/** The result of a callback: `status` 0 with `error` if there was no answer. */
export interface CallbackResult {
  status: number;
  body: string;
  error?: string;
}

/** Posts a callback to a loopback URL. Throws a TypeError for any other URL and for an invalid callback. */
export async function postCallback(
  state: Proptt2State,
  now: number,
  url: string,
  callback: Callback,
): Promise<CallbackResult> {
  const { hostname, protocol } = new URL(url);
  if (protocol !== 'http:' || !/^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(hostname)) {
    throw new TypeError('Callbacks go to http on loopback only');
  }
  const body = wireForm(callback);
  const result = await post(url, body);
  keepNewest(state.callbacks, { at: now, url, body, status: result.status }, 1000);
  return result;
}

function wireForm(callback: Callback): object {
  const { senderId } = callback;
  const senderName = encodeURIComponent(callback.senderName);
  switch (callback.cmd) {
    case 'fn': {
      const { channelId, latitude = 0, longitude = 0 } = callback;
      return { cmd: 'fn', channelId, senderId, senderName, latitude, longitude };
    }
    case 'vc': {
      const { videoChannelId } = callback;
      return { cmd: 'vc', videoChannelId, senderId, senderName, URL: encodeURIComponent(callback.URL) };
    }
    default:
      throw new TypeError('cmd must be fn or vc');
  }
}

async function post(url: string, body: object): Promise<CallbackResult> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return {
      status: 0,
      body: '',
      error: error instanceof Error ? String(error.cause ?? error.message) : String(error),
    };
  }
}
