import type { SandboxReply } from '../sandbox-server.ts';
import { jsonHeaders, nokBody } from './refusal.ts';
import type { Switches } from './state.ts';

/** A failure of the next requests of one name. With `after`, the vendor acts first, so that the response is lost. */
export interface RequestFailure {
  /** The request's name (`getTableValues`); absent hits every request of the form API. */
  req?: string;
  kind: 'nok' | 'html' | 'status' | 'reset' | 'garbage';
  when?: 'before' | 'after';
  /** The message of a `nok`, or the body of `status` and `html`. */
  text?: string;
  status?: number;
  headers?: Record<string, string>;
  /** Defaults to once. */
  times?: number;
}

/** A cut in the middle of a transfer, after so many bytes of it. */
export interface Cut {
  afterBytes: number;
  /** Defaults to once. */
  times?: number;
}

/** Failures on demand, in addition to the faults of every sandbox vendor. */
export interface RequestFaults {
  failRequest(failure: RequestFailure): void;
  takeFailure(req: string): RequestFailure | undefined;
  /** The next bulk writes end in a deadlock after so many of their rows were written. */
  deadlock(demand: { times?: number; rowsWritten?: number }): void;
  takeDeadlock(): { rowsWritten: number } | undefined;
  cutUploads(cut: Cut): void;
  takeUploadCut(): number | undefined;
  cutDownloads(cut: Cut): void;
  takeDownloadCut(): number | undefined;
  clear(): void;
}

const kinds = ['nok', 'html', 'status', 'reset', 'garbage'];

/** Creates an empty list of faults. */
export function createRequestFaults(): RequestFaults {
  let failures: RequestFailure[] = [];
  let deadlocks: { left: number; rowsWritten: number }[] = [];
  let uploadCuts: { left: number; afterBytes: number }[] = [];
  let downloadCuts: { left: number; afterBytes: number }[] = [];
  return {
    failRequest: (failure) => {
      if (!kinds.includes(failure.kind)) throw new TypeError(`kind must be one of ${kinds.join(', ')}`);
      failures.push({ ...failure, times: failure.times ?? 1 });
    },
    takeFailure: (req) => {
      const failure = failures.find((candidate) => candidate.req === undefined || candidate.req === req);
      if (failure) failure.times = (failure.times ?? 1) - 1;
      failures = failures.filter(({ times = 1 }) => times > 0);
      return failure;
    },
    deadlock: ({ times = 1, rowsWritten = 0 }) => void deadlocks.push({ left: times, rowsWritten }),
    takeDeadlock: () => takeFirst(deadlocks),
    cutUploads: (cut) => void uploadCuts.push(checkedCut(cut)),
    takeUploadCut: () => takeFirst(uploadCuts)?.afterBytes,
    cutDownloads: (cut) => void downloadCuts.push(checkedCut(cut)),
    takeDownloadCut: () => takeFirst(downloadCuts)?.afterBytes,
    clear: () => {
      [failures, deadlocks, uploadCuts, downloadCuts] = [[], [], [], []];
    },
  };
}

function checkedCut({ times = 1, afterBytes }: Cut): { left: number; afterBytes: number } {
  if (!Number.isInteger(afterBytes) || afterBytes < 0) throw new TypeError('afterBytes must be a number of bytes');
  return { left: times, afterBytes };
}

function takeFirst<T extends { left: number }>(waiting: T[]): T | undefined {
  const first = waiting[0];
  if (first && --first.left <= 0) waiting.shift();
  return first;
}

/** The answer that a failure puts in place of the vendor's own. */
export function failedReply(failure: RequestFailure, req: string, switches: Switches): SandboxReply {
  const { status, text, headers } = failure;
  switch (failure.kind) {
    case 'nok':
      return {
        status: status ?? 200,
        headers: { ...jsonHeaders, ...headers },
        body: nokBody(text ?? 'apiProcess1: try again', req, switches),
      };
    case 'html':
      return {
        status: status ?? 200,
        headers: { 'content-type': 'text/html; charset=UTF-8', ...headers },
        body: text ?? '<html><body>Service en maintenance</body></html>',
      };
    case 'status':
      return { status: status ?? 500, headers: { ...headers }, body: text ?? '' };
    case 'garbage':
      return {
        status: status ?? 200,
        headers: { ...jsonHeaders, ...headers },
        body: text ?? '{"status":"ok","sstamp":',
      };
    case 'reset':
      return { status: 0, write: (response) => void response.socket?.resetAndDestroy() };
  }
}
