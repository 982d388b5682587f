import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../sandbox/proptt2/index.ts';
import { demoRoomToken, startTalkSandbox, type TalkSandbox } from '../sandbox/talk/index.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from '../sandbox/timetonic/index.ts';

/** The stand-in vendors of the demo. */
export interface Demo {
  proptt2: Proptt2Sandbox;
  talk: TalkSandbox;
  timetonic: TimetonicSandbox;
  /** The bearer token of the controls below `/__sandbox/`. */
  controlKey: string;
  /** Where the demo alarm is posted. */
  hookUrl: string;
  close(): Promise<void>;
}

/** The part of a table that the demo needs. */
interface DemoTable {
  code: string;
  fields: { id: number | string; name: string }[];
}

/** Names of what the demo makes. */
const demoHook = 'demo-panel';
const demoAutomation = 'Demo alarm';

type Ports = Record<string, number>;

export interface DemoOptions {
  /** The data folder of the product. */
  directory: string;
  gatewayUrl: string;
  adminKey: string;
  /** Receives what a person near the stand-in vendors would notice. */
  onEffect?: (effect: string) => void;
}

/**
 * Starts the stand-in vendors on the ports that they had, and makes sure that there is a demo connection to each, a hook, and an
 * automation that turns a post to the hook into a siren, a chat line and a row.
 */
export async function startDemo({ directory, gatewayUrl, adminKey, onEffect }: DemoOptions): Promise<Demo> {
  const folder = join(directory, 'sandbox');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const controlKey = readControlKey(join(folder, 'control-key'));
  const ports = readPorts(folder);
  const watch = onEffect && { onEffect };
  const proptt2 = await onPort(ports.proptt2, (port) =>
    startProptt2Sandbox({ port, controlKey, ...watch, stateFile: join(folder, 'proptt2.json') }),
  );
  const talk = await onPort(ports.talk, (port) =>
    startTalkSandbox({ port, controlKey, ...watch, stateFile: join(folder, 'talk.json') }),
  );
  const timetonic = await onPort(ports.timetonic, (port) =>
    startTimetonicSandbox({ port, controlKey, ...watch, stateFile: join(folder, 'timetonic.json') }),
  );
  const running = { proptt2: proptt2.port, talk: talk.port, timetonic: timetonic.port };
  writeFileSync(join(folder, 'ports.json'), JSON.stringify(running));
  const open = { allowHttp: true, allowPrivateNetwork: true };
  await ensureConnection(gatewayUrl, adminKey, {
    vendor: 'proptt2',
    name: 'demo',
    settings: { cloudUrl: proptt2.url, ownerId: 'owner@company.com', hid: 1, serverVersion: '9.0.1', ...open },
    credentials: { interactionKey: 'bb00cc' },
  });
  await ensureConnection(gatewayUrl, adminKey, {
    vendor: 'talk',
    name: 'demo',
    settings: { serverUrl: talk.url, user: 'alice', ...open },
    credentials: { appPassword: 'alice-app-password' },
  });
  await ensureConnection(gatewayUrl, adminKey, {
    vendor: 'timetonic',
    name: 'demo',
    settings: {
      baseUrl: timetonic.baseUrl,
      uploadUrl: timetonic.uploadUrl,
      socketUrl: timetonic.socketUrl,
      user: 'demo',
      ...open,
    },
    credentials: { login: 'demo', password: 'demo-password' },
  });
  const close = async () => {
    await Promise.all([proptt2.close(), talk.close(), timetonic.close()]);
  };
  const hookUrl = await ensureAlarm(gatewayUrl, adminKey, join(folder, 'hook-token'));
  return { proptt2, talk, timetonic, controlKey, hookUrl, close };
}

interface DemoConnection {
  vendor: string;
  name: string;
  settings: Record<string, unknown>;
  credentials: Record<string, unknown>;
}

/** Creates the connection, or moves an existing one to the address that its vendor has now. */
async function ensureConnection(gatewayUrl: string, adminKey: string, connection: DemoConnection): Promise<void> {
  const at = `${gatewayUrl}/v1/connections/${connection.vendor}/${connection.name}`;
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
  const found = await fetch(at, { headers });
  if (found.status === 404) {
    const made = await fetch(`${gatewayUrl}/v1/connections`, {
      method: 'POST',
      headers,
      body: JSON.stringify(connection),
    });
    if (made.status !== 201) throw new Error(`The demo connection could not be created: ${await made.text()}`);
    return;
  }
  const { settings } = (await found.json()) as { settings: Record<string, unknown> };
  const moved = Object.entries(connection.settings).some(([name, value]) => settings[name] !== value);
  if (!moved) return;
  const { settings: wanted, credentials } = connection;
  // The credentials are bound to the old address, so they come along.
  const changed = await fetch(at, {
    method: 'PATCH',
    headers,
    body: JSON.stringify({ settings: wanted, credentials }),
  });
  if (!changed.ok) throw new Error(`The demo connection could not be moved: ${await changed.text()}`);
}

/**
 * Makes the demo hook and the automation behind it where they are missing. A hook's address is shown only once, so its token is kept;
 * where it was lost, the hook gets another.
 */
async function ensureAlarm(gatewayUrl: string, adminKey: string, file: string): Promise<string> {
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await fetch(gatewayUrl + path, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`The demo alarm could not be created: ${await answer.text()}`);
    // The two fields of a hook that are needed here.
    return answer.json();
  };
  // Each answer has the shape that its call documents.
  const hooks = (await ask('GET', '/v1/hooks')) as { id: string; name?: string }[];
  const known = hooks.find(({ name }) => name === demoHook);
  const isKept = known !== undefined && existsSync(file);
  let hookId = known?.id;
  if (!isKept) {
    const made = known
      ? await ask('POST', `/v1/hooks/${known.id}/rotate`, {})
      : await ask('POST', '/v1/hooks', { name: demoHook, verify: { kind: 'none' } });
    const { id, url } = made as { id: string; url: string };
    hookId = id;
    writeFileSync(file, new URL(url).pathname, { mode: 0o600 });
  }
  const book = { bookOwner: 'demo', bookCode: 'operations' };
  const tables = await ask('POST', '/v1/timetonic/demo/getBookTables', { ...book, includeFields: true });
  const { categories } = (tables as { bookTables: { categories: DemoTable[] } }).bookTables;
  const fields = categories.find(({ code }) => code === 'incidents')?.fields ?? [];
  const fieldId = (wanted: string) => String(fields.find(({ name }) => name === wanted)?.id);
  await ask('PUT', `/v1/automations/${encodeURIComponent(demoAutomation)}`, {
    name: demoAutomation,
    enabled: true,
    when: { hook: hookId },
    dedupe: { key: '{% event.data.body.zone %}', seconds: 10 },
    do: [
      { name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 }, onError: 'continue' },
      {
        name: 'line',
        call: 'talk/demo/sendChatMessage',
        input: { token: demoRoomToken, message: "{% '🔥 ' & event.data.body.zone & ' #' & run.ref %}" },
        onError: 'continue',
      },
      {
        name: 'row',
        call: 'timetonic/demo/createOrUpdateTableRow',
        input: {
          ...book,
          rowId: "{% 'tmp' & run.ref %}",
          fieldValues: {
            [fieldId('Zone')]: '{% event.data.body.zone %}',
            [fieldId('Status')]: 'Open',
            [fieldId('Ref')]: '{% run.ref %}',
          },
        },
        onError: 'continue',
      },
    ],
  });
  return gatewayUrl + readFileSync(file, 'utf8');
}

/** The key of an earlier start, or a new one. */
function readControlKey(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

function readPorts(folder: string): Ports {
  try {
    return JSON.parse(readFileSync(join(folder, 'ports.json'), 'utf8')) as Ports;
  } catch {
    return {};
  }
}

/** Starts on the wanted port, or on any free one where another program has taken it. */
async function onPort<T>(wanted: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  if (wanted === undefined) return start(0);
  try {
    return await start(wanted);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return start(0);
  }
}
