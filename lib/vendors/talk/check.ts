import { GatewayError } from '../../core/errors.ts';
import type { Finding } from '../../core/vendor.ts';
import { wordsOf } from '../../core/vendor-failure.ts';
import { rootOf, type TalkCall, type TalkSession } from './connection.ts';
import { readCapabilities } from './session.ts';
import { type Dialect, dialectOf, type Feature, features } from './wire/dialect.ts';
import { type OcsAnswer, ocsRequest, recordOf, textOf } from './wire/protocol.ts';

const good = (subject: string, message: string): Finding => ({ subject, state: 'good', message });
const warning = (subject: string, message: string): Finding => ({ subject, state: 'warning', message });
const bad = (subject: string, message: string): Finding => ({ subject, state: 'bad', message });

/** Diagnoses a Talk connection: reachability, maintenance, password (tried once), Talk, version, bot, clock. */
export async function check(call: TalkCall): Promise<Finding[]> {
  const root = rootOf(call.connection.settings);
  let status: OcsAnswer;
  try {
    const url = `${root}/status.php`;
    status = await ocsRequest(call, { method: 'GET', url, effect: 'read', doing: 'a first request' });
  } catch (error) {
    return [bad('reach', wordsOf(error))];
  }
  const findings = reachFindings(status, root, call.clock.now());
  if (findings.some(({ state }) => state === 'bad')) return findings;
  try {
    const { session, offered } = await readCapabilities(call);
    findings.push(
      ...accountFindings(call, session),
      ...dialectFindings(session),
      ...(await botFindings(call, session)),
    );
    findings.push(...throttleFinding(offered));
  } catch (error) {
    findings.push(bad(subjectOf(error), wordsOf(error)));
  }
  return findings;
}

function reachFindings(status: OcsAnswer, root: string, now: number): Finding[] {
  const reported = recordOf(status.data);
  if (status.status >= 300 && status.status < 400) {
    const where = String(status.headers.location ?? 'nowhere').slice(0, 200);
    return [bad('reach', `${root} answers with a redirect to ${where}: correct serverUrl.`)];
  }
  if (reported?.installed === undefined) {
    return [
      bad(
        'reach',
        `${root} answers, but is not a Nextcloud: /status.php returned ${status.status} instead of a status.`,
      ),
    ];
  }
  const findings = [good('reach', `${root} is Nextcloud ${textOf(reported.versionstring)}.`)];
  if (reported.maintenance === true)
    findings.push(bad('maintenance', 'The server is in maintenance mode; calls continue when it ends.'));
  if (reported.needsDbUpgrade === true)
    findings.push(warning('maintenance', 'The server waits for its upgrade to be finished.'));
  const theirs = Date.parse(String(status.headers.date ?? ''));
  if (!Number.isNaN(theirs)) {
    const seconds = Math.round((theirs - now) / 1000);
    const words = `The server's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} ours.`;
    findings.push((Math.abs(seconds) > 30 ? warning : good)('clock', words));
  }
  return findings;
}

function accountFindings(call: TalkCall, session: TalkSession): Finding[] {
  if (call.connection.settings.guest)
    return [good('account', 'The connection is a guest: it can join public rooms and write in them.')];
  return [good('account', `The app password is right; the account is ${session.userId}.`)];
}

function dialectFindings(session: TalkSession): Finding[] {
  const dialect = dialectOf(session);
  const version = session.talk ?? `${newestFeature(session)} by its features`;
  return [
    good(
      'version',
      `Talk ${version}: rooms and calls ${dialect.rooms}, ${chatWords(dialect)}, messages of at most ${dialect.maxLength} characters.`,
    ),
  ];
}

/** The first version that has all the features of a server that does not report its version. */
function newestFeature(session: TalkSession): string {
  const dialect = dialectOf(session);
  const versions = Object.entries(features).flatMap(([name, since]) => (dialect.has(name as Feature) ? [since] : []));
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) ?? '3.0';
}

function chatWords({ chat }: Dialect): string {
  return chat === 'modern' ? 'chat by message id' : 'chat of the v1 document';
}

async function botFindings(call: TalkCall, session: TalkSession): Promise<Finding[]> {
  const { botSecret } = await call.credentials();
  if (botSecret === undefined) return [];
  return dialectOf(session).has('bots-v1')
    ? [good('bot', 'A bot secret is stored, and the server has bots. Whether it fits shows with the first message.')]
    : [warning('bot', 'A bot secret is stored, but this server has no bots (Talk 17.1 has).')];
}

/** The capabilities show the current delay for failures from our address; all connections of a gateway share it. */
function throttleFinding(offered: Readonly<Record<string, unknown>>): Finding[] {
  const protection = recordOf(recordOf(offered.capabilities)?.bruteforce);
  const delay = Number(protection?.delay ?? 0);
  if (delay === 0) return [];
  return [
    warning(
      'throttle',
      `After failed requests from our address the server holds back further ones of the kind that failed (logins, room tokens, passwords), by ${delay} ms now. Its administrator can put the address on the allow list of the brute-force settings.`,
    ),
  ];
}

function subjectOf(error: unknown): string {
  if (!(error instanceof GatewayError)) return 'account';
  if (error.code === 'vendor_rate_limited') return 'throttle';
  if (error.code === 'vendor_maintenance') return 'maintenance';
  return /Talk (is not|may)|may not use Talk/.test(error.message) ? 'talk' : 'account';
}
