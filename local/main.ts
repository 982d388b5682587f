import { resolve } from 'node:path';
import { type Product, startProduct } from './product.ts';

const {
  HOST,
  PORT,
  TRUNKLINE_DATA,
  TRUNKLINE_ADMIN_KEY,
  TRUNKLINE_SANDBOX,
  TRUNKLINE_DYNAMODB_ENDPOINT,
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

function banner(product: Product, directory: string): void {
  const { url, adminKey, adminKeyIsNew, demo } = product;
  say('');
  say(`Trunkline   ${url}          reference ${url}/docs`);
  if (adminKeyIsNew) say(`Admin key   ${adminKey}   (shown this once; it is kept in ${directory})`);
  else
    say(
      `Admin key   set at an earlier start in ${directory}. Lost it? Start with TRUNKLINE_ADMIN_KEY=tl_… to set a new one.`,
    );
  if (demo) {
    const key = adminKeyIsNew ? adminKey : '$KEY';
    say('');
    say('Try it on the stand-in vendors:');
    say(
      `  curl -X POST ${url}/v1/proptt2/demo/sendSosToChannel -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"channelId":1}'`,
    );
    say(`  curl ${url}/v1/proptt2/demo/getChannelList -H 'Authorization: Bearer ${key}'`);
    say(`  curl -X POST ${url}/v1/connections/proptt2/demo/check -H 'Authorization: Bearer ${key}'`);
  }
  say('');
  say(`ready ${url}`);
}

async function main(): Promise<void> {
  const directory = resolve(TRUNKLINE_DATA ?? '.trunkline');
  const product = await startProduct({
    directory,
    host: HOST ?? '127.0.0.1',
    port: readPort(PORT),
    ...readAdminKey(TRUNKLINE_ADMIN_KEY),
    sandbox: TRUNKLINE_SANDBOX !== 'off',
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
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  banner(product, directory);
}

main().catch((error: unknown) => {
  process.stderr.write(`Trunkline could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
