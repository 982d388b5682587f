import type { SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { accountRequests } from './account-requests.ts';
import { bookRequests } from './book-requests.ts';
import { exactJson } from './exact-json.ts';
import { fileUploadRequest, readUpload, type UploadedFile } from './file-upload.ts';
import { checkFields, type FieldRule, parseForm } from './form.ts';
import { keyRequests } from './key-requests.ts';
import { messageRequests } from './message-requests.ts';
import { jsonHeaders, refused, replyTo, serverVersion, VendorRefusal } from './refusal.ts';
import { failedReply, type RequestFailure } from './request-faults.ts';
import { pivotRequest, rowRequests } from './row-requests.ts';
import { tableRequests } from './table-requests.ts';
import type { ApiRequest, Call, Vendor } from './vendor.ts';
import { writeRequests } from './write-requests.ts';

const requests: Record<string, ApiRequest> = {
  ...keyRequests,
  ...accountRequests,
  ...bookRequests,
  ...messageRequests,
  ...tableRequests,
  ...rowRequests,
  ...writeRequests,
};

/** Names that must never appear in a URL. */
const secrets = ['sesskey', 'oauthkey', 'appkey', 'pwd', 'login'];

/** What a request's query holds that belongs in its body; nothing when the query is empty. */
export function queryRefusal(query: URLSearchParams): string | undefined {
  const names = [...query.keys()];
  const secret = names.filter((name) => secrets.includes(name));
  if (secret.length > 0) return `keys in the URL: ${secret.join(', ')}`;
  return names.length > 0 ? `parameters in the URL: ${names.join(', ')}` : undefined;
}

/** Serves `/live/api.php`. */
export async function answerForm(request: SandboxRequest, vendor: Vendor): Promise<SandboxReply> {
  const { switches } = vendor.sandbox.state;
  let req = '';
  let failure: RequestFailure | undefined;
  try {
    const { values, file } = await readRequest(request);
    // The vendor also accepts fields in the URL; only the journal reports them.
    for (const [name, value] of request.query) if (!values.has(name)) values.set(name, value);
    req = takeName(values);
    failure = vendor.requestFaults.takeFailure(req);
    if (failure && failure.when !== 'after') return failedReply(failure, req, switches);
    const reply = act(vendor, req, values, file);
    const misplaced = queryRefusal(request.query);
    if (misplaced !== undefined) reply.refusal = misplaced;
    return failure ? failedReply(failure, req, switches) : reply;
  } catch (error) {
    return replyTo(error, req, switches);
  }
}

async function readRequest(
  request: SandboxRequest,
): Promise<{ values: Map<string, string>; file?: UploadedFile | undefined }> {
  const type = request.headers['content-type'] ?? '';
  if (/^multipart\/form-data/i.test(type)) return readUpload(request.raw, type);
  const body = (await request.body()).toString('utf8');
  if (request.method !== 'POST') throw refused('POST is expected');
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type))
    throw refused(`form fields are expected, not ${type || 'a body without a type'}`);
  return { values: parseForm(body) };
}

/** The request's name, which some of the vendor's examples call `req` and some `r`. */
function takeName(values: Map<string, string>): string {
  const name = values.get('req') ?? values.get('r');
  if (values.has('req') && values.has('r')) throw refused('both req and r');
  values.delete('req');
  values.delete('r');
  if (!name) throw refused('missing parameter req');
  return name;
}

function act(vendor: Vendor, req: string, values: Map<string, string>, file: UploadedFile | undefined): SandboxReply {
  const rule = ruleOf(vendor, req, file);
  if (file && req !== 'fileUpload') throw refused(`${req} takes no file`);
  checkVersion(vendor, values);
  countCall(vendor);
  const call = open(vendor, rule, values);
  const answer = rule.answer(call);
  const body = exactJson({ status: 'ok', ...answer, createdVNB: serverVersion, req });
  return { status: 200, headers: jsonHeaders, body, ...(!rule.changes && { save: 'later' }) };
}

function ruleOf(vendor: Vendor, req: string, file: UploadedFile | undefined): ApiRequest {
  if (req === vendor.sandbox.state.switches.pivotRequest) return pivotRequest;
  if (req === 'fileUpload') return fileUploadRequest(file);
  const rule = Object.hasOwn(requests, req) ? requests[req] : undefined;
  if (!rule) throw refused(`unknown request ${req}`);
  return rule;
}

function checkVersion(vendor: Vendor, values: Map<string, string>): void {
  const version = values.get('version');
  values.delete('version');
  if (version === undefined && vendor.sandbox.state.switches.versionRequired)
    throw refused('missing parameter version');
  if (version !== undefined && !/^\d+\.\d+[a-z]?(?:\/\d+\.\d+[a-z]?)?$/.test(version)) throw refused('invalid version');
}

/** Every call counts against the month's quota, including refused ones. */
function countCall(vendor: Vendor): void {
  const { quota, switches } = vendor.sandbox.state;
  const month = new Date(vendor.sandbox.now()).toISOString().slice(0, 7);
  if (quota.month !== month) Object.assign(quota, { month, used: 0 });
  if (quota.limit !== null && quota.used >= quota.limit) throw new VendorRefusal(switches.quotaError);
  quota.used += 1;
}

const callerFields = ['o_u', 'u_c', 'sesskey'];

/** Determines the caller, and checks the fields. */
function open(vendor: Vendor, rule: ApiRequest, values: Map<string, string>): Call {
  const { state } = vendor.sandbox;
  const { o_u = '', u_c = '', sesskey = '' } = Object.fromEntries(values);
  const base = { vendor, sesskey, userCode: u_c };
  if (rule.session === 'none')
    return { ...base, form: checkFields(values, rule.fields), user: undefined, gateway: undefined };

  const anonymous = rule.session === 'public' && sesskey === '';
  const kind: FieldRule = anonymous ? 'any?' : 'text';
  const form = checkFields(values, { ...rule.fields, ...Object.fromEntries(callerFields.map((name) => [name, kind])) });
  if (anonymous) return { ...base, form, user: undefined, gateway: undefined };

  const owner = Object.hasOwn(state.sesskeys, sesskey) ? state.sesskeys[sesskey] : undefined;
  if (!owner) throw new VendorRefusal(state.switches.sesskeyError);
  if ('gateway' in owner) {
    if (owner.gateway !== o_u || !rule.gateway) throw new VendorRefusal(state.switches.sesskeyError);
    return { ...base, form, user: undefined, gateway: o_u };
  }
  if (owner.user !== o_u) throw new VendorRefusal(state.switches.sesskeyError);
  if (u_c !== o_u && !rule.anySender) throw refused('u_c must be same as o_u');
  return { ...base, form, user: state.users[owner.user], gateway: undefined };
}
