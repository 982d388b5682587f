import { GatewayError } from '../../core/errors.ts';
import type { Finding } from '../../core/vendor.ts';
import { baseOf, type TimetonicCall } from './connection.ts';
import { defaultVersion, sessionRequest } from './wire/session-request.ts';

/** Diagnoses a TimeTonic connection: reachability, keys, remaining calls, version, upload host. */
export async function check(call: TimetonicCall): Promise<Finding[]> {
  const { settings } = call.connection;
  const findings: Finding[] = [];
  let isKeyRefused = false;
  const add = (subject: string, state: Finding['state'], message: string) => findings.push({ subject, state, message });
  try {
    const body = await sessionRequest(call, { req: 'getAllBooks', fields: {}, effect: 'read' });
    const books = (body.allBooks as { nbBooks?: unknown } | undefined)?.nbBooks;
    add('reach', 'good', `${baseOf(settings)} answers as ${String(body.createdVNB ?? 'an unnamed version')}.`);
    add('credentials', 'good', `The session of ${settings.user} is alive and sees ${String(books ?? 'its')} books.`);
  } catch (error) {
    const message = error instanceof GatewayError ? error.message : 'An unexpected error; see the log.';
    isKeyRefused = error instanceof GatewayError && error.code === 'connection_needs_attention';
    if (isKeyRefused) add('reach', 'good', `${baseOf(settings)} answers.`);
    add(isKeyRefused ? 'credentials' : 'reach', 'bad', message);
  }
  const { oauthkey, oauthkeyDroppedAt } = await call.credentials();
  if (oauthkey !== undefined && isKeyRefused)
    add('renewal', 'bad', 'The stored oauthkey gives no new session key. Store login and password again.');
  else if (oauthkey !== undefined)
    add('renewal', 'good', 'An oauthkey is stored: an expired session key is replaced automatically.');
  else if (oauthkeyDroppedAt !== undefined)
    add(
      'renewal',
      'warning',
      `dropAllSessions killed the oauthkey on ${oauthkeyDroppedAt}. Store login and password again before the session key dies too.`,
    );
  else
    add(
      'renewal',
      'warning',
      'The session key was pasted: when it expires, a person must store a new one. With login and password, it would be renewed automatically.',
    );
  if (settings.monthlyCalls === undefined)
    add(
      'quota',
      'warning',
      'monthlyCalls is not set: polling for events every minute makes 43,000 calls a month and more.',
    );
  add(
    'version',
    'good',
    `version ${settings.apiVersion ?? `${defaultVersion} (the default)`} is sent with every request.`,
  );
  if (settings.uploadUrl === undefined)
    add('uploadUrl', 'warning', 'uploadUrl is not set, so resumableUpload cannot be used.');
  return findings;
}
