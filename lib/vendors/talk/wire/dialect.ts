import type { ErrorCode } from '../../../core/errors.ts';

/** What a server reports about itself to one account. */
export interface ServerFacts {
  /** Talk's version, if the server reports it (Talk 15 and newer). */
  readonly talk?: string | undefined;
  readonly nextcloud: string;
  /** `spreed.features` of the capabilities. */
  readonly features: readonly string[];
  /** The maximum length of a message, in characters. */
  readonly maxLength: number;
  /** The maximum length of a room's description, in characters, if the server reports it (Talk 21 and newer). */
  readonly descriptionLength?: number | undefined;
  /** The account's folder for files that it shares, if the server reports it. */
  readonly attachmentFolder?: string | undefined;
}

/** How to communicate with a server: all differences between the versions of Talk, decided once from its features. */
export interface Dialect {
  readonly rooms: 'v1' | 'v4';
  readonly signaling: 'v1' | 'v3';
  /** `offset`: Talk 3.0 and 3.1 count the oldest messages; `modern`: position by message id. */
  readonly chat: 'offset' | 'modern';
  /** Calls are kept alive by `ping` (Talk 3), not by a signaling pull. */
  readonly ping: boolean;
  /** Room changes appear in its chat as system messages. */
  readonly systemMessages: boolean;
  /** The maximum length of a message, in characters. */
  readonly maxLength: number;
  /** The maximum length of a room's name, in characters; in bytes on servers of v1. */
  readonly nameLength: number;
  readonly descriptionLength: number;
  /** Bots receive reactions (Talk 21). No capability shows it. */
  readonly reactionPushes: boolean;
  has(feature: Feature): boolean;
}

/** Features that are used for decisions here, with the first Talk version that has them. */
export const features = {
  'chat-v2': '3.2',
  'no-ping': '4',
  'system-messages': '4',
  'in-call-flags': '4',
  'notification-levels': '5',
  'invite-groups-and-mails': '5',
  'read-only-rooms': '6',
  'chat-read-marker': '7',
  'webinary-lobby': '7',
  'chat-replies': '8',
  'circles-support': '8',
  'room-description': '11',
  'delete-messages': '11.1',
  'rich-object-sharing': '11.1',
  'conversation-v4': '12',
  'signaling-v3': '12',
  'conversation-permissions': '13',
  reactions: '14',
  'message-expiration': '15',
  'send-call-notification': '15',
  'silent-call': '15',
  'silent-send': '15',
  'talk-polls': '15',
  'chat-get-context': '16',
  'chat-keep-notifications': '16',
  'recording-v1': '16',
  'bots-v1': '17.1',
  'remind-me-later': '17.1',
  'media-caption': '18',
  'recording-consent': '18',
  'sip-support-dialout': '18',
  'edit-messages': '19',
  'chat-read-last': '19',
  'federation-v1': '19',
  'conversation-creation-password': '21',
  'conversation-creation-all': '21.1',
  threads: '22',
  'pinned-messages': '23',
  'scheduled-messages': '23',
} as const;

export type Feature = keyof typeof features;

const dialects = new WeakMap<ServerFacts, Dialect>();

/** The dialect of a server; the same input returns the same object. */
export function dialectOf(server: ServerFacts): Dialect {
  let dialect = dialects.get(server);
  if (dialect === undefined) {
    const listed = new Set(server.features);
    const has = (feature: Feature) => listed.has(feature);
    const v4 = has('conversation-v4');
    dialect = {
      rooms: v4 ? 'v4' : 'v1',
      signaling: has('signaling-v3') ? 'v3' : 'v1',
      chat: has('chat-v2') ? 'modern' : 'offset',
      ping: !has('no-ping'),
      systemMessages: has('system-messages'),
      maxLength: server.maxLength,
      nameLength: v4 ? 255 : 200,
      descriptionLength: server.descriptionLength ?? 500,
      reactionPushes: Number.parseInt(server.talk ?? '', 10) >= 21,
      has,
    };
    dialects.set(server, dialect);
  }
  return dialect;
}

interface Route {
  /** The route on servers of another dialect, as a key of this table or with its own version. */
  readonly elsewhere?: (dialect: Dialect) => string | undefined;
  readonly needs?: Feature;
  /** Sent with the cookies of the connection: the server ties joined rooms to them. */
  readonly cookies?: true;
  /** `participant` names a person or a guest, which v4 identifies only by attendee id. */
  readonly target?: 'person' | 'guest';
  /** The server holds the request open; its effect takes place at the start. */
  readonly held?: true;
  /** Signed by the bot over this field instead of being sent as the account. */
  readonly bot?: 'message' | 'reaction';
  /** Additional fields that are sent. */
  readonly adds?: (dialect: Dialect) => Readonly<Record<string, unknown>>;
  /** Fields that only newer servers support, and values of one. */
  readonly fields?: Readonly<Record<string, Feature | Readonly<Record<string, Feature>>>>;
  /** The maximum of a field, in the server's own unit, and the refusal for exceeding it. */
  readonly most?: {
    field: string;
    code: ErrorCode;
    of: (dialect: Dialect) => number;
    inBytes?: (dialect: Dialect) => boolean;
  };
  /** The meaning of a refusal, by status and the server's reason or by status alone, where it has changed between versions. */
  readonly means?: Readonly<Record<string, ErrorCode>>;
  /** A 404 counts against our address (brute-force protection). */
  readonly counted?: true;
  /** The account is no longer in the room afterwards. */
  readonly leaves?: true;
}

const attendees = (dialect: Dialect) => (dialect.rooms === 'v4' ? 'DELETE room/{token}/attendees' : undefined);
const messageLength = {
  field: 'message',
  code: 'vendor_too_large',
  of: ({ maxLength }: Dialect) => maxLength,
} as const;
const nameLength = {
  field: 'roomName',
  code: 'vendor_bad_request',
  of: (dialect: Dialect) => dialect.nameLength,
  inBytes: (dialect: Dialect) => dialect.rooms === 'v1',
} as const;
const descriptionLength = {
  field: 'description',
  code: 'vendor_bad_request',
  of: (dialect: Dialect) => dialect.descriptionLength,
} as const;
const inThread = { threadId: 'threads', threadTitle: 'threads' } as const;
const wrongType = { 400: 'vendor_precondition_failed', 412: 'vendor_precondition_failed' } as const;

/**
 * All requests, as in the v1 document, and their forms in other dialects. Paths are below
 * `/ocs/v2.php/apps/spreed/api/{version}/`; the first step determines the version.
 */
export const routes = {
  'POST room': {
    most: nameLength,
    fields: {
      password: 'conversation-creation-password',
      description: 'conversation-creation-all',
      participants: 'conversation-creation-all',
      objectType: 'conversation-creation-all',
      objectId: 'conversation-creation-all',
      permissions: 'conversation-creation-all',
      readOnly: 'conversation-creation-all',
      lobbyState: 'conversation-creation-all',
      listable: 'conversation-creation-all',
    },
  },
  'GET room': { adds: ({ rooms }) => (rooms === 'v4' ? { noStatusUpdate: 1 } : {}) },
  'GET room/{token}': { counted: true },
  // A one-to-one room cannot be renamed: 405 up to Talk 5, 400 since. A name that is too long is rejected before.
  'PUT room/{token}': { most: nameLength, means: { 400: 'vendor_method_not_allowed' } },
  'DELETE room/{token}': { leaves: true },
  // Not a public room: 403 up to Talk 20, 400 since.
  'PUT room/{token}/password': { means: { '400 type': 'vendor_forbidden' } },
  'POST room/{token}/public': { fields: { password: 'conversation-creation-password' } },
  'DELETE room/{token}/public': {},
  'PUT room/{token}/description': {
    needs: 'room-description',
    most: descriptionLength,
    elsewhere: ({ rooms }) => (rooms === 'v1' ? 'PUT v3/room/{token}/description' : undefined),
  },
  'PUT room/{token}/read-only': { needs: 'read-only-rooms' },
  'PUT room/{token}/webinar/lobby': {
    needs: 'webinary-lobby',
    elsewhere: ({ rooms }) => (rooms === 'v1' ? 'PUT room/{token}/webinary/lobby' : undefined),
  },
  'GET room/{token}/participants': {},
  'POST room/{token}/participants': {
    fields: {
      source: {
        groups: 'invite-groups-and-mails',
        emails: 'invite-groups-and-mails',
        circles: 'circles-support',
        federated_users: 'federation-v1',
        phones: 'sip-support-dialout',
      },
    },
  },
  'POST room/{token}/participants/resend-invitations': { needs: 'conversation-v4', target: 'person' },
  'POST room/{token}/message-expiration': { needs: 'message-expiration' },
  'POST room/{token}/notify': { needs: 'notification-levels' },
  'DELETE room/{token}/participants': { elsewhere: attendees, target: 'person' },
  'DELETE room/{token}/participants/guests': { elsewhere: attendees, target: 'guest' },
  'DELETE room/{token}/participants/self': { leaves: true },
  'POST room/{token}/participants/active': { cookies: true, counted: true },
  'DELETE room/{token}/participants/active': { cookies: true },
  'POST room/{token}/moderators': { target: 'person', means: wrongType },
  'DELETE room/{token}/moderators': { target: 'person', means: wrongType },
  'GET call/{token}': {},
  'POST call/{token}': {
    cookies: true,
    fields: { flags: 'in-call-flags', silent: 'silent-call', recordingConsent: 'recording-consent' },
    adds: (dialect) => (dialect.has('in-call-flags') ? { flags: 1 } : {}),
  },
  'POST call/{token}/ping': {
    cookies: true,
    held: true,
    elsewhere: ({ ping }) => (ping ? undefined : 'GET signaling/{token}'),
  },
  // `all` has no capability: it was added in Talk 13, with this one.
  'DELETE call/{token}': { cookies: true, fields: { all: 'conversation-permissions' } },
  'POST call/{token}/ring/{attendeeId}': { needs: 'send-call-notification', cookies: true, target: 'person' },
  'POST recording/{token}': { needs: 'recording-v1' },
  'DELETE recording/{token}': { needs: 'recording-v1' },
  'GET chat/{token}': { fields: { threadId: 'threads' } },
  'POST chat/{token}': { most: messageLength, fields: { replyTo: 'chat-replies', silent: 'silent-send', ...inThread } },
  'GET chat/{token}/{messageId}/context': { needs: 'chat-get-context' },
  'GET chat/{token}/threads/recent': { needs: 'threads' },
  'GET chat/{token}/threads/{threadId}': { needs: 'threads' },
  'PUT chat/{token}/threads/{threadId}': { needs: 'threads' },
  'POST chat/{token}/schedule': { needs: 'scheduled-messages', most: messageLength },
  'GET chat/{token}/schedule': { needs: 'scheduled-messages' },
  'DELETE chat/{token}/schedule/{messageId}': { needs: 'scheduled-messages' },
  'POST chat/{token}/{messageId}/reminder': { needs: 'remind-me-later' },
  'DELETE chat/{token}/{messageId}/reminder': { needs: 'remind-me-later' },
  'POST chat/{token}/{messageId}/pin': { needs: 'pinned-messages' },
  'DELETE chat/{token}/{messageId}/pin': { needs: 'pinned-messages' },
  'PUT chat/{token}/{messageId}': { needs: 'edit-messages', most: messageLength },
  'DELETE chat/{token}/{messageId}': { needs: 'delete-messages' },
  'POST chat/{token}/read': { needs: 'chat-read-marker' },
  'POST reaction/{token}/{messageId}': { needs: 'reactions' },
  'DELETE reaction/{token}/{messageId}': { needs: 'reactions' },
  'POST poll/{token}': { needs: 'talk-polls' },
  'GET poll/{token}/{pollId}': { needs: 'talk-polls' },
  'POST poll/{token}/{pollId}': { needs: 'talk-polls' },
  'DELETE poll/{token}/{pollId}': { needs: 'talk-polls' },
  'GET bot/{token}': { needs: 'bots-v1' },
  'POST bot/{token}/{botId}': { needs: 'bots-v1' },
  'DELETE bot/{token}/{botId}': { needs: 'bots-v1' },
  'POST bot/{token}/message': { needs: 'bots-v1', bot: 'message', most: messageLength },
  'POST bot/{token}/reaction/{messageId}': { needs: 'bots-v1', bot: 'reaction' },
} as const satisfies Record<string, Route>;

/** A request of the table; anything else does not compile. */
export type TalkRoute = keyof typeof routes;

/** The table's entry for a request. */
export function routeOf(route: TalkRoute): Route {
  return routes[route];
}

/** The features of this table that a Talk version has. */
export function featuresIn(version: string): Feature[] {
  const numbers = (text: string) => text.split(/[.-]/).map(Number);
  const [major = 0, minor = 0] = numbers(version);
  return (Object.keys(features) as Feature[]).filter((feature) => {
    const [sinceMajor = 0, sinceMinor = 0] = numbers(features[feature]);
    return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
  });
}
