import { resolve } from 'node:path';
import { readOrigins } from '../lib/core/http/allowed-origins.ts';
import { requireKnownSettings } from './environment.ts';
import { type Product, startProduct } from './product.ts';
import { writeWithoutWaiting } from './runtime/log-lines.ts';

const {
  HOST,
  PORT,
  TRUNKLINE_DATA,
  TRUNKLINE_ADMIN_KEY,
  TRUNKLINE_SANDBOX,
  TRUNKLINE_DYNAMODB_ENDPOINT,
  TRUNKLINE_LOG,
  TRUNKLINE_PUBLIC_URL,
} = process.env;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readPort(text: string | undefined): number {
  const port = Number(text ?? 8787);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT must be a number from 0 to 65535, not ${JSON.stringify(text)}.`);
}

function readPublicUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new Error(
    `TRUNKLINE_PUBLIC_URL must be an address such as https://alarms.example, not ${JSON.stringify(text)}.`,
  );
}

function readAdminKey(text: string | undefined): { adminKey?: string } {
  if (text === undefined || text === '') return {};
  if (/^tl_[A-Za-z0-9_-]{16,200}$/.test(text)) return { adminKey: text };
  throw new Error('TRUNKLINE_ADMIN_KEY must be tl_ and 16 to 200 letters, digits, hyphens or underscores.');
}

async function banner(product: Product, directory: string): Promise<void> {
  const { url, adminKey, adminKeyIsNew, demo } = product;
  say('');
  if (demo) {
    say('Post an alarm to the demo hook: a siren, a chat line and a row at the simulated vendors.');
    say(`  curl ${demo.hookUrl} -H 'Content-Type: application/json' -d '{"zone":"Gate 3"}'`);
    say('Call an operation:');
    say('  npx trunkline call proptt2/demo/sendSosToChannel channelId=1');
    say('');
  }
  say(
    adminKeyIsNew
      ? `Admin key   ${adminKey}   (shown this once)`
      : `Admin key   as at the first start. Lost it? Start with TRUNKLINE_ADMIN_KEY=tl_… to set a new one.`,
  );
  if (HOST && !/^(127\.|localhost$|\[?::1\]?$)/.test(HOST) && !TRUNKLINE_PUBLIC_URL?.startsWith('https:')) {
    say(
      `Warning     Keys cross the network unencrypted: HOST=${HOST} serves plain HTTP. Put a proxy with TLS in front.`,
    );
  }
  say(`Data        ${directory}`);
  say(`Reference   ${url}/docs`);
  say(`Console     ${await product.consoleLink()}`);
  say('');
  say(`ready ${url}`);
}

/** npm does not pass signals on to what it starts: when it is gone, the product ends as it does by a signal. */
function endWithNpm(end: () => void): void {
  if (process.env.npm_lifecycle_event !== 'start' || process.platform === 'win32') return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    end();
  }, 500);
  watch.unref();
}

async function main(): Promise<void> {
  requireKnownSettings(process.env);
  // The functions read it. A typo must fail here and not only when a browser is refused.
  readOrigins(process.env.TRUNKLINE_ALLOWED_ORIGINS);
  const directory = resolve(TRUNKLINE_DATA ?? '.trunkline');
  const product = await startProduct({
    directory,
    host: HOST ?? '127.0.0.1',
    port: readPort(PORT),
    ...readAdminKey(TRUNKLINE_ADMIN_KEY),
    sandbox: TRUNKLINE_SANDBOX !== 'off',
    readable: process.stdout.isTTY === true && TRUNKLINE_LOG !== 'json',
    ...(TRUNKLINE_PUBLIC_URL && { publicUrl: readPublicUrl(TRUNKLINE_PUBLIC_URL) }),
    ...(TRUNKLINE_DYNAMODB_ENDPOINT && { dynamodbEndpoint: TRUNKLINE_DYNAMODB_ENDPOINT }),
  });
  let ending = false;
  const end = () => {
    if (ending) process.exit(1);
    ending = true;
    product.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  // The reader of the log may end, as with `npm start | head` or a closed terminal. Alarms continue without a log.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  writeWithoutWaiting();
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  endWithNpm(end);
  await banner(product, directory);
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, port } = error as { code?: string; port?: number };
  return code === 'EADDRINUSE'
    ? `port ${port} is in use. Stop the program that uses it, or set PORT to another port.`
    : error.message;
}

main().catch((error: unknown) => {
  process.stderr.write(`Trunkline could not start: ${wordsOf(error)}\n`);
  process.exit(1);
});
