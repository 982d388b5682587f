import { tomcatPage } from '../faults.ts';
import type { SandboxReply } from '../sandbox-server.ts';
import { hasVersion } from './server-version.ts';
import type { Proptt2State } from './state.ts';

/** The vendor's plain success. */
export function done(): SandboxReply {
  return { status: 200, body: { code: '200' } };
}

/** A failure in the form of a servlet container; with `refusal`, the journal records it as a client error. */
export function errorPage(status: number, message: string, refusal?: string): SandboxReply {
  return {
    status,
    headers: { 'content-type': 'text/html;charset=utf-8' },
    body: tomcatPage(status, message),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** A refusal of the login and session calls: JSON with `code` and `message` from server 9.0.x, an error page before. */
export function sessionError(state: Proptt2State, status: 401 | 403, refusal?: string): SandboxReply {
  const message = status === 401 ? 'Authentication failure' : 'Request forbidden';
  if (!hasVersion(state.settings.serverVersion, '9.0.x')) return errorPage(status, message, refusal);
  return { status, body: { code: String(status), message }, ...(refusal === undefined ? {} : { refusal }) };
}

/** The response to an ordinary call with a dead session, as configured. */
export function deadSession(state: Proptt2State): SandboxReply {
  state.totals.deadSessionCalls += 1;
  switch (state.settings.sessionTimeoutStatus) {
    case '401':
      return sessionError(state, 401);
    case '403':
      return sessionError(state, 403);
    case '500-html':
      return errorPage(500, 'java.lang.NullPointerException');
    case '200-code-401':
      return { status: 200, body: { code: '401' } };
  }
}
