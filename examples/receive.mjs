// Receives the events of a subscription: TRUNKLINE_SIGNING_SECRET=whsec_… PORT=3000 node receive.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';

const key = Buffer.from(process.env.TRUNKLINE_SIGNING_SECRET.replace('whsec_', ''), 'base64');
const toleranceSeconds = 300;

/** Whether a delivery was signed with the secret within the last five minutes. `body` holds the bytes as they came. */
function isSigned(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= toleranceSeconds)) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is rotated, there are two signatures.
  return signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature.replace('v1,', ''), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** Ids that were already handled. Keep them in your database: an event may be delivered more than once. */
const handled = new Set();

const server = createServer(async (request, response) => {
  const body = await buffer(request);
  if (!isSigned(request.headers, body)) return response.writeHead(401).end();
  const event = JSON.parse(body);
  if (!handled.has(event.id)) process.stdout.write(`${event.type} ${JSON.stringify(event.data)}\n`);
  handled.add(event.id);
  // Answer within 15 seconds. Anything but a 2xx is delivered again.
  response.writeHead(204).end();
});
server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
  process.stdout.write(`listening on port ${server.address().port}\n`);
});
