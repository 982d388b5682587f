import type { GatewayError } from '../../../core/errors.ts';
import { pathTemplate } from '../../../core/path-template.ts';
import { proptt2Error } from '../connection.ts';
import { type Proptt2Call, sessionRequest } from './session-request.ts';

interface Listed {
  id: number | string;
  name?: string;
}

/** The list that must contain an id of the input. */
const lists: Readonly<Record<string, { path: string; key: string; noun: string }>> = {
  channelId: { path: '/channels', key: 'channels', noun: 'channel' },
  userId: { path: '/users', key: 'users', noun: 'user' },
  organizationId: { path: '/organizations', key: 'organizations', noun: 'organization' },
};

/**
 * Explains a 500, which the vendor sends for every error: returns 404 if an id of the request does not exist, otherwise the
 * original error.
 */
export async function lookUp(
  error: GatewayError,
  template: string,
  fields: Record<string, unknown>,
  call: Proptt2Call,
): Promise<GatewayError> {
  for (const name of pathTemplate(template).names) {
    const list = lists[name];
    if (!list) continue;
    try {
      const items = await listed(list, call);
      if (items.some((item) => Number(item.id) === Number(fields[name]))) continue;
      return proptt2Error(
        'vendor_not_found',
        `There is no ${list.noun} ${String(fields[name])} at this ProPTT2 account.`,
        {
          vendorCode: '500',
          outcome: 'refused',
          errors: [{ pointer: `/${name}`, message: `is no ${list.noun} of this account` }],
        },
      );
    } catch {
      return error;
    }
  }
  if (template === '/channels/{channelId}/users/{userId}') {
    const list = { path: `/channels/${String(fields.channelId)}/users`, key: 'users', noun: 'user' };
    const items = await listed(list, call).catch(() => undefined);
    if (items && !items.some((item) => Number(item.id) === Number(fields.userId))) {
      return proptt2Error(
        'vendor_not_found',
        `User ${String(fields.userId)} is not linked to channel ${String(fields.channelId)}.`,
        {
          vendorCode: '500',
          outcome: 'refused',
          errors: [{ pointer: '/userId', message: 'is not linked to the channel' }],
        },
      );
    }
  }
  return error;
}

async function listed(list: { path: string; key: string }, call: Proptt2Call): Promise<Listed[]> {
  const body = (await sessionRequest(call, 'read', 'GET', list.path, '', undefined, `GET ${list.path}`)) as Record<
    string,
    unknown
  >;
  const items = body[list.key];
  return Array.isArray(items) ? (items as Listed[]) : [];
}
