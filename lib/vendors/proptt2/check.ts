import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import type { Finding } from '../../core/vendor.ts';
import { wordsOf } from '../../core/vendor-failure.ts';
import { parseTime } from '../../core/zone-time.ts';
import { type Proptt2Call, sessionRequest, sessionRequestWithHeaders } from './wire/session-request.ts';

/** How a server that does not respond, or is not a ProPTT2 server, shows. */
const unreachable: ReadonlySet<ErrorCode> = new Set(['vendor_unreachable', 'vendor_timeout', 'vendor_malformed']);

/** Diagnoses a ProPTT2 connection: reachability, key, session, clock, time zone, version. */
export async function check(call: Proptt2Call): Promise<Finding[]> {
  const { settings } = call.connection;
  const findings: Finding[] = [];
  const base = settings.cloudUrl.replace(/\/+$/, '');
  const reach = { subject: 'reach', state: 'good', message: `${base} answers.` } as const;
  try {
    const { headers } = await sessionRequestWithHeaders(
      call,
      'read',
      'GET',
      '/channels',
      '',
      undefined,
      'GET /channels',
    );
    findings.push(reach);
    findings.push(...clockFinding(headers.date, call.clock.now()));
    findings.push({
      subject: 'credentials',
      state: 'good',
      message: 'The session is live and the channel list can be read.',
    });
    findings.push(...(await positionFindings(call)));
  } catch (error) {
    const message = wordsOf(error);
    // A refusal is an answer too: the server is reachable.
    const answered = error instanceof GatewayError && !unreachable.has(error.code);
    if (!answered) return [{ subject: 'reach', state: 'bad', message }];
    if (!findings.includes(reach)) findings.push(reach);
    findings.push({ subject: 'credentials', state: 'bad', message });
  }
  findings.push(
    settings.serverVersion === undefined
      ? {
          subject: 'version',
          state: 'warning',
          message: 'serverVersion is not set, so no operation is refused as too new for the server.',
        }
      : { subject: 'version', state: 'good', message: `Operations newer than ${settings.serverVersion} are refused.` },
  );
  return findings;
}

function clockFinding(date: string | string[] | undefined, now: number): Finding[] {
  const theirs = Date.parse(String(date ?? ''));
  if (Number.isNaN(theirs)) return [];
  const seconds = Math.round((theirs - now) / 1000);
  const state = Math.abs(seconds) > 30 ? 'warning' : 'good';
  return [
    {
      subject: 'clock',
      state,
      message: `The server's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} ours.`,
    },
  ];
}

/** A position in the future means that the dates are read in the wrong time zone. */
async function positionFindings(call: Proptt2Call): Promise<Finding[]> {
  const body = (await sessionRequest(call, 'read', 'GET', '/users', '', undefined, 'GET /users')) as {
    users?: { locationDate?: string }[];
  };
  const newest = (body.users ?? [])
    .map((user) => parseTime(user.locationDate ?? '', call.connection.settings.timeZone ?? 'UTC', call.clock.now()))
    .filter((at) => at !== undefined)
    .sort((a, b) => b - a)[0];
  if (newest === undefined) return [];
  const minutes = Math.round((newest - call.clock.now()) / 60_000);
  if (minutes <= 5) return [{ subject: 'timeZone', state: 'good', message: 'No position lies in the future.' }];
  return [
    {
      subject: 'timeZone',
      state: 'bad',
      message: `The newest position lies ${minutes} minutes in the future: the setting timeZone is wrong, and with it every age of a position.`,
    },
  ];
}
