import { createHash } from 'node:crypto';
import { maxLength } from './chat.ts';
import type { Answer } from './ocs.ts';
import { isTalk, serverUrl, type Talk, type TalkRequest } from './talk.ts';
import { featuresOf, nextcloudOf } from './versions.ts';

/** `GET /cloud/capabilities`: needs no account; `If-None-Match` is honoured since v4. */
export function capabilities(r: TalkRequest): Answer {
  const modern = r.era === 'E';
  const { major, minor, micro, string } = nextcloudOf(r.talk.state.talkVersion);
  const version = { major, minor, micro, string, edition: '', ...(modern ? { extendedSupport: false } : {}) };
  const data = { version, capabilities: modern ? modernApps(r) : oldApps(r) };
  if (!modern) return { status: 200, data };
  const etag = `"${createHash('md5').update(JSON.stringify(data)).digest('hex')}"`;
  if (r.raw.headers['if-none-match'] === etag) return { status: 304, headers: { ETag: etag } };
  return { status: 200, data, headers: { ETag: etag } };
}

function oldApps(r: TalkRequest): object {
  const talk = talkApp(r);
  const open = { bruteforce: { delay: 0 }, ...(talk ? { spreed: talk } : {}), theming: theming(r.talk, false) };
  if (!r.user) return open;
  return {
    core: { pollinterval: 60, 'webdav-root': 'remote.php/webdav' },
    dav: { chunking: '1.0' },
    files_sharing: sharing(false),
    files: { bigfilechunking: true, blacklisted_files: ['.htaccess'], undelete: true, versioning: true },
    ...open,
  };
}

function modernApps(r: TalkRequest): object {
  const images = ['/image\\/(png|jpeg|heif|webp|tiff)/'];
  const talk = talkApp(r);
  const open = {
    bruteforce: { delay: 0, 'allow-listed': false },
    metadataAvailable: { size: images, gps: images },
    ...(talk ? { spreed: talk } : {}),
    theming: theming(r.talk, true),
  };
  if (!r.user) return open;
  const server = serverUrl(r.talk);
  const types = [{ name: 'file', shareTypes: ['user', 'group'], protocols: { webdav: '/public.php/webdav/' } }];
  return {
    core: {
      pollinterval: 60,
      'webdav-root': 'remote.php/webdav',
      'reference-api': true,
      'reference-regex': '(https?://)',
    },
    files: {
      bigfilechunking: true,
      blacklisted_files: ['.htaccess'],
      directEditing: {
        url: `${server}/ocs/v2.php/apps/files/api/v1/directEditing`,
        etag: 'sandbox',
        supportsFileId: true,
      },
      comments: true,
      undelete: true,
      versioning: true,
      version_labeling: true,
      version_deletion: true,
    },
    ocm: { enabled: true, apiVersion: '1.0-proposal1', endPoint: `${server}/index.php/ocm`, resourceTypes: types },
    dav: { chunking: '1.0', bulkupload: '1.0' },
    files_sharing: sharing(true),
    provisioning_api: {
      version: '1.17.0',
      AccountPropertyScopesVersion: 2,
      AccountPropertyScopesFederatedEnabled: true,
      AccountPropertyScopesPublishedEnabled: true,
    },
    user_status: { enabled: true, restore: true, supports_emoji: true },
    ...open,
  };
}

/** The part of Talk; absent before 3.0.1 and for accounts that may not use Talk. */
function talkApp(r: TalkRequest): object | undefined {
  const { talkVersion } = r.talk.state;
  if (!isTalk(r.talk, '3.0.1') || r.user?.talkAllowed === false) return undefined;
  const features = featuresOf(talkVersion);
  if (r.era !== 'E') return { features };
  const known = r.user !== null;
  const config: Record<string, Record<string, unknown>> = {
    attachments: { allowed: known, ...(known ? { folder: '/Talk' } : {}) },
    call: {
      enabled: true,
      'breakout-rooms': true,
      recording: false,
      'supported-reactions': ['❤️', '🎉', '👏', '👍', '👎', '😂', '🤩', '🤔', '😲', '😥'],
      'predefined-backgrounds': [
        'office',
        'home',
        'abstract',
        'beach',
        'park',
        'theater',
        'library',
        'space_station',
      ].map((name, at) => `${at + 1}_${name}.jpg`),
      'can-upload-background': known,
    },
    chat: { 'max-length': maxLength(r.talk), 'read-privacy': 0, translations: [], 'typing-privacy': 0 },
    conversations: { 'can-create': known },
    previews: { 'max-gif-size': 3_145_728 },
    signaling: { 'session-ping-limit': 200, 'hello-v2-token-key': '-----BEGIN PUBLIC KEY-----\nsandbox\n' },
  };
  if (isTalk(r.talk, '18')) {
    delete config.chat?.translations;
    Object.assign(config.chat ?? {}, { 'has-translation-providers': false });
    Object.assign(config.call ?? {}, { 'recording-consent': 0, 'sip-enabled': false, 'sip-dialout-enabled': false });
  }
  if (isTalk(r.talk, '19')) {
    config.federation = {
      enabled: false,
      'incoming-enabled': false,
      'outgoing-enabled': false,
      'only-trusted-servers': true,
    };
  }
  if (isTalk(r.talk, '21')) {
    Object.assign(config.conversations ?? {}, {
      'description-length': 2000,
      'force-passwords': r.talk.state.forcePasswords,
    });
  }
  return { features, config, ...(isTalk(r.talk, '15') ? { version: talkVersion } : {}) };
}

function sharing(modern: boolean): object {
  const on = { enabled: true };
  const off = { enabled: false };
  const optional = modern ? { enforced: false, askForOptionalPassword: false } : { enforced: false };
  const share = {
    api_enabled: true,
    public: {
      enabled: true,
      password: optional,
      expire_date: off,
      send_mail: false,
      upload: true,
      upload_files_drop: true,
      ...(modern ? { multiple_links: true, expire_date_internal: off, expire_date_remote: off } : {}),
    },
    resharing: true,
    user: { send_mail: false, expire_date: on },
    group_sharing: true,
    group: { enabled: true, expire_date: on },
    federation: { outgoing: true, incoming: true, expire_date: on, ...(modern ? { expire_date_supported: on } : {}) },
  };
  const mail = { enabled: true, upload_files_drop: on, password: on };
  if (!modern) return { ...share, sharebymail: { ...mail, expire_date: on } };
  const free = { enabled: true, enforced: false };
  return {
    ...share,
    default_permissions: 31,
    sharee: { query_lookup_default: false, always_show_unique: true },
    sharebymail: { ...mail, send_password_by_mail: true, password: free, expire_date: free },
  };
}

function theming(talk: Talk, modern: boolean): object {
  const server = serverUrl(talk);
  const look = {
    name: 'Nextcloud',
    url: 'https://nextcloud.com',
    slogan: 'a safe home for all your data',
    color: '#0082c9',
    'color-text': '#ffffff',
    'color-element': '#0082c9',
    logo: `${server}/core/img/logo/logo.svg?v=0`,
    background: `${server}/core/img/background.png?v=0`,
    'background-plain': false,
    'background-default': true,
  };
  if (!modern) return look;
  const bright = { 'color-element-bright': '#0082c9', 'color-element-dark': '#0082c9' };
  return { ...look, ...bright, logoheader: look.logo, favicon: look.logo };
}
