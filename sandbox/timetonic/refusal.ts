import type { SandboxReply } from '../sandbox-server.ts';
import { exactJson } from './exact-json.ts';
import type { Switches } from './state.ts';

/** The vendor's refusal. `refusal` marks refusals caused by a client error: the journal shows them. */
export class VendorRefusal extends Error {
  readonly refusal: boolean;
  /** Set when it is sent as a status and a page instead of `status: "nok"`. */
  readonly page: { status: number; html: string } | undefined;

  constructor(text: string, options: { refusal?: boolean; page?: { status: number; html: string } } = {}) {
    super(text);
    this.refusal = options.refusal ?? false;
    this.page = options.page;
  }
}

/** The refusal of a request that the document does not allow. */
export function refused(text: string): VendorRefusal {
  return new VendorRefusal(text, { refusal: true });
}

/** The body of a refusal, in the form that the switch selects. */
export function nokBody(text: string, req: string, switches: Switches): string {
  const coded = /^apiProcess(\d+): (.*)$/s.exec(text);
  const said =
    switches.nokShape === 'error' ? { error: text } : { errorCode: coded?.[1] ?? '0', errorMsg: coded?.[2] ?? text };
  return exactJson({ status: 'nok', ...said, createdVNB: serverVersion, req });
}

/** The server's name in every response. */
export const serverVersion = 'live-6.49q/6.49';

/** Converts an error of a request into the vendor's response; a bug of the sandbox itself is rethrown. */
export function replyTo(error: unknown, req: string, switches: Switches): SandboxReply {
  if (!(error instanceof VendorRefusal)) throw error;
  const refusal = error.refusal ? { refusal: error.message } : {};
  if (error.page) {
    const headers = { 'content-type': 'text/html; charset=UTF-8' };
    return { status: error.page.status, headers, body: error.page.html, save: 'later', ...refusal };
  }
  return { status: 200, headers: jsonHeaders, body: nokBody(error.message, req, switches), save: 'later', ...refusal };
}

/** Headers of every JSON answer. */
export const jsonHeaders = { 'content-type': 'application/json; charset=utf-8' };

/** The page of a web server whose program ran out of memory. */
export const tooBigPage =
  '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN"><html><head><title>500 Internal Server Error</title></head>' +
  '<body><h1>Internal Server Error</h1><p>The server encountered an internal error or misconfiguration.</p></body></html>';
