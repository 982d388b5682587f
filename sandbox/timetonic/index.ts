import {
  type Sandbox,
  type SandboxControls,
  type SandboxOptions,
  type SandboxReply,
  startSandbox,
} from '../sandbox-server.ts';
import { openByteStore } from './byte-store.ts';
import { createControls, type TimetonicControls } from './controls.ts';
import { demoState } from './demo-data.ts';
import { demoFiles } from './demo-files.ts';
import { answerDownload } from './downloads.ts';
import { answerForm } from './form-api.ts';
import { createRequestFaults } from './request-faults.ts';
import { createSocketHost } from './socket.ts';
import type { Switches, TimetonicState } from './state.ts';
import { createTusHost } from './tus-host.ts';
import type { Vendor } from './vendor.ts';

/** The options of a stand-in TimeTonic; `switches` override the stored ones. */
export interface TimetonicSandboxOptions extends SandboxOptions {
  switches?: Partial<Switches>;
}

/**
 * A running stand-in TimeTonic. Each of its controls is also available at `POST /__sandbox/{name}`, with its one argument as JSON.
 */
export interface TimetonicSandbox extends Sandbox<TimetonicState> {
  /** To `…/live`: the form API is at `{baseUrl}/api.php`, files at `{baseUrl}/dbi/…`. */
  baseUrl: string;
  /** Where resumable uploads are created; their results are at `/upload_meta/{id}` of the same host, and below this address. */
  uploadUrl: string;
  socketUrl: string;
  control: TimetonicControls;
}

/** Starts the stand-in TimeTonic: form API, files, resumable uploads and socket on one port of 127.0.0.1. */
export async function startTimetonicSandbox(options: TimetonicSandboxOptions = {}): Promise<TimetonicSandbox> {
  const { switches, ...shared } = options;
  const controls: SandboxControls<TimetonicState> = {};
  const sandbox = await startSandbox<TimetonicState>(shared, demoState, (request) => route(request), controls);
  const requestFaults = createRequestFaults();
  const vendor: Vendor = {
    sandbox,
    requestFaults,
    bytes: openByteStore(options.stateFile),
    broadcast: (...frame) => sockets.broadcast(...frame),
  };
  const sockets = createSocketHost(vendor);
  const tus = createTusHost(vendor);
  const control = createControls(vendor, tus, sockets);
  if (switches) control.setSwitches(switches);
  for (const [name, act] of Object.entries(control)) {
    // Each control takes the one object that stands for its argument in its own type; a wrong one throws and answers 400.
    controls[`POST ${name}`] = (input) => (act as (given: Record<string, unknown>) => unknown)(input);
  }
  keepDemoFiles(vendor);

  const { reset, clearFaults, close } = sandbox;
  return Object.assign(sandbox, {
    baseUrl: `${sandbox.url}/live`,
    uploadUrl: `${sandbox.url}/uploads`,
    socketUrl: `${sandbox.url.replace('http', 'ws')}/socket`,
    control,
    reset: () => {
      requestFaults.clear();
      reset();
    },
    clearFaults: () => {
      requestFaults.clear();
      clearFaults();
    },
    close: async () => {
      sockets.close();
      await close();
    },
  });

  function route(request: Parameters<typeof answerForm>[0]): Promise<SandboxReply> | SandboxReply {
    const { path } = request;
    if (path === '/live/api.php') return answerForm(request, vendor);
    if (path.startsWith('/live/dbi/')) return answerDownload(request, vendor);
    if (path === '/uploads' || path.startsWith('/uploads/') || path.startsWith('/upload_meta/'))
      return tus.answer(request);
    const html = '<html><body><h1>404 Not Found</h1></body></html>';
    return {
      status: 404,
      headers: { 'content-type': 'text/html; charset=UTF-8' },
      body: html,
      refusal: `unknown path ${path}`,
    };
  }
}

/** The demo files' bytes are stored beside the state, not in it. */
function keepDemoFiles({ bytes, sandbox }: Vendor): void {
  for (const { stored, bytes: content } of demoFiles) {
    const file = sandbox.state.files.find(({ uuid }) => uuid === stored.uuid);
    if (file && !bytes.get(file.id)) bytes.put(file.id, content);
  }
}
