import type { HmacScheme } from './hmac.ts';

/** How a well-known sender is verified: by an HMAC or by a token in a header, and where its own message id is. */
export type Preset = ({ hmac: HmacScheme } | { header: string }) & {
  id?: string;
  /** The sender makes the secret, so it has to be given. */
  theirs?: true;
  /** The header of a handshake in which the sender gives its secret: the first one is kept. */
  handshake?: string;
};

const bodyInHex = (header: string, prefix?: string): HmacScheme => ({
  header,
  algorithm: 'sha256',
  encoding: 'hex',
  signed: '{body}',
  ...(prefix !== undefined && { prefix }),
});
const bodyInBase64 = (header: string, prefix?: string): HmacScheme => ({
  ...bodyInHex(header, prefix),
  encoding: 'base64',
});
const timed = (header: string, timestampHeader: string): HmacScheme => ({
  ...bodyInHex(header, 'v0='),
  signed: 'v0:{timestamp}:{body}',
  timestampHeader,
  toleranceSeconds: 300,
});

/** By the name that a hook's `verify.kind` gives. */
export const presets = {
  shopify: { hmac: bodyInBase64('x-shopify-hmac-sha256'), id: 'headers.x-shopify-webhook-id', theirs: true },
  slack: { hmac: timed('x-slack-signature', 'x-slack-request-timestamp'), id: 'body.event_id', theirs: true },
  zoom: { hmac: timed('x-zm-signature', 'x-zm-request-timestamp'), theirs: true },
  linear: { hmac: bodyInHex('linear-signature'), id: 'headers.linear-delivery', theirs: true },
  bitbucket: { hmac: bodyInHex('x-hub-signature', 'sha256='), id: 'headers.x-request-uuid' },
  gitea: { hmac: bodyInHex('x-gitea-signature'), id: 'headers.x-gitea-delivery' },
  gitlab: { header: 'x-gitlab-token' },
  pagerduty: { hmac: bodyInHex('x-pagerduty-signature', 'v1='), id: 'body.event.id', theirs: true },
  grafana: { hmac: bodyInHex('x-grafana-alerting-signature') },
  typeform: { hmac: bodyInBase64('typeform-signature', 'sha256='), id: 'body.event_id' },
  dropbox: { hmac: bodyInHex('x-dropbox-signature'), theirs: true },
  asana: { hmac: bodyInHex('x-hook-signature'), handshake: 'x-hook-secret' },
  telegram: { header: 'x-telegram-bot-api-secret-token', id: 'body.update_id' },
} as const satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof presets;

/** The header in which senders of a kind give their secret themselves, in a handshake. */
export function handshakeHeader(kind: string): string | undefined {
  const preset: Preset | undefined = Object.hasOwn(presets, kind) ? presets[kind as PresetName] : undefined;
  return preset?.handshake;
}
