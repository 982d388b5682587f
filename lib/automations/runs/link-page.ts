import type { JsonAnswer } from '../../api/idempotency.ts';
import type { HttpRequest } from '../../api/request.ts';
import { GatewayError, methodNotAllowed } from '../../core/errors.ts';
import { appendOwnEvent } from '../../events/own-events.ts';
import { isGenuine, linkOf } from './links.ts';
import { findRun, type RunServices } from './runs.ts';

const linkPrefix = '/links/';

/** No scripts, no external content, and no framing (clickjacking). */
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/**
 * Serves a link of a run. Opening it only asks for confirmation, because chat programs fetch links to render previews. Confirming
 * it appends `trunkline.link.opened`, once for each link.
 */
export async function answerLink(services: RunServices, request: HttpRequest): Promise<JsonAnswer> {
  const { method, path } = request;
  const token = path.slice(linkPrefix.length).replace(/\/$/, '');
  const link = linkOf(token);
  const run = link && (await findRun(services.table, link.runId));
  if (!link || !run || !isGenuine(token, run, link)) throw new GatewayError('not_found', 'There is no such link.');
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST')
    throw methodNotAllowed(linkPrefix, method, ['GET', 'HEAD', 'POST']);
  const isConfirmed = method === 'POST';
  if (isConfirmed) {
    await appendOwnEvent(services, {
      type: 'trunkline.link.opened',
      id: `${run.id}/${link.name}`,
      data: { runId: run.id, automationId: run.owner, automation: run.name, name: link.name },
    });
  }
  const body = method === 'HEAD' ? undefined : page(run.name, link.name, isConfirmed);
  return { status: 200, headers, body };
}

function page(automation: string, name: string, isConfirmed: boolean): string {
  const title = escapeHtml(`${automation}: ${name}`);
  const content = isConfirmed
    ? '<p role="status">Thank you. This has been noted.</p>'
    : `<form method="post"><button type="submit" autofocus>Confirm: ${escapeHtml(name)}</button></form>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>body{font:1.2rem system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;text-align:center}
button{font:inherit;padding:1rem 2rem}</style>
</head>
<body>
<h1>${title}</h1>
${content}
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
