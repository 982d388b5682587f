import { createHash, randomBytes } from 'node:crypto';
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileStore } from '../../lib/core/files.ts';
import { httpClient } from '../../lib/core/http/client.ts';
import { resumableUpload } from '../../lib/vendors/timetonic/files/resumable-upload.ts';
import { startTimetonicSandbox } from '../../sandbox/timetonic/index.ts';
import { memoryNotes, playedCall } from '../support/played-call.ts';
import { logIn } from '../support/timetonic-client.ts';
import { startScript } from './process.ts';

const gigabyte = 1024 ** 3;
/** What the process may take above idle, in MB. */
const maxAboveIdleMb = 96;

/** Sends one gigabyte through `resumableUpload`, in a separate process, and says what memory that takes. */
export async function uploadBench(): Promise<void> {
  const sandbox = await startTimetonicSandbox();
  const { me } = await logIn(sandbox);
  const { Incidents } = sandbox.control.tables();
  const cell = { rowId: Incidents?.rows[0] ?? '', fieldId: Incidents?.fields.Photo ?? '' };
  sandbox.control.cutUploads({ afterBytes: 20_000_000, times: 2 });
  const env = {
    UPLOAD_BENCH: JSON.stringify({
      baseUrl: sandbox.baseUrl,
      uploadUrl: sandbox.uploadUrl,
      sesskey: me.sesskey,
      ...cell,
    }),
  };
  const started = await startScript(import.meta.filename, env, /^(idle)/);
  let peak = 0;
  const idle = started.memory();
  const startedAt = performance.now();
  const watch = setInterval(() => {
    peak = Math.max(peak, started.memory());
  }, 50);
  try {
    const ended = new Promise<number | null>((resolve) => started.child.once('exit', resolve));
    // The child waits for this line, so that its idle memory can be measured.
    started.child.kill('SIGUSR2');
    const code = await ended;
    const seconds = (performance.now() - startedAt) / 1000;
    process.stdout.write(
      `\n1 GB through resumableUpload, cut twice: ${seconds.toFixed(1)} s, ${Math.round(1024 / seconds)} MB/s, idle ${idle.toFixed(0)} MB, peak ${peak.toFixed(0)} MB, ${(peak - idle).toFixed(0)} MB above idle (at most ${maxAboveIdleMb}); ${started.lastLine()}\n`,
    );
    if (code !== 0 || peak - idle > maxAboveIdleMb) process.exitCode = 1;
  } finally {
    clearInterval(watch);
    await started.stop();
    await sandbox.close();
  }
}

/** The child: uploads a file of a gigabyte. */
async function uploadOnce(given: Record<string, string>): Promise<void> {
  const { baseUrl = '', uploadUrl = '', sesskey = '', rowId = '', fieldId = '' } = given;
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-upload-'));
  const film = join(folder, 'film.mp4');
  const block = randomBytes(1024 * 1024);
  const file = openSync(film, 'w');
  for (let at = 0; at < gigabyte; at += block.length) writeSync(file, block);
  closeSync(file);
  const settings = { baseUrl, uploadUrl, user: 'demo', allowHttp: true, allowPrivateNetwork: true };
  const { call } = playedCall('timetonic', { settings, credentials: {}, session: { sesskey } }, []);
  const files = {
    openRead: async (_: string, { start = 0, end = gigabyte - 1 } = {}) => ({
      stream: createReadStream(film, { start, end }),
      size: gigabyte,
      type: 'video/mp4',
      name: 'film.mp4',
    }),
  } as Partial<FileStore> as FileStore;
  const http = httpClient();
  const address = { allowHttp: true, allowPrivateNetwork: true };
  const bound = {
    request: (options: Parameters<typeof http.request>[0]) => http.request({ address, ...options }),
    stream: http.stream,
  };
  await new Promise((resolve) => {
    // A signal alone does not keep a process.
    const waiting = setInterval(() => undefined, 1000);
    process.once('SIGUSR2', () => {
      clearInterval(waiting);
      resolve(undefined);
    });
    process.stdout.write('idle\n');
  });
  const signal = new AbortController().signal;
  const done = await resumableUpload(
    { bookOwner: 'demo', bookCode: 'operations', rowId, fieldId, file: { uploadId: 'made-up' } },
    {
      ...call,
      http: bound,
      files,
      signal,
      clock: { now: Date.now, sleep: async () => undefined },
      notes: memoryNotes(Date.now),
    } as never,
  );
  const hash = createHash('sha256');
  for (let at = 0; at < gigabyte; at += block.length) hash.update(block);
  rmSync(folder, { recursive: true });
  const same =
    hash.digest('hex') === done.sha256 &&
    done.checksum === `sha256:${done.sha256}` &&
    done.filesize === String(gigabyte);
  process.stdout.write(`checksum ${same ? 'the same on both sides' : 'DIFFERENT'}\n`);
  process.exit(same ? 0 : 1);
}

if (process.env.UPLOAD_BENCH !== undefined)
  await uploadOnce(JSON.parse(process.env.UPLOAD_BENCH) as Record<string, string>);
