import type { ServerResponse } from 'node:http';
import type { SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { generatedBytes } from './byte-store.ts';
import { checkFields, parseForm } from './form.ts';
import { queryRefusal } from './form-api.ts';
import { standIns } from './pictures.ts';
import { refused, replyTo, VendorRefusal } from './refusal.ts';
import type { StoredFile, User } from './state.ts';
import { bookKey, checkAccess, findBook, type Vendor } from './vendor.ts';

const imageSizes = ['norm', 'tb', 'cover', 'full'];

/** The forms of file URL: which sizes each takes and by what it names the file. `o` forms open the original. */
const forms: Record<
  string,
  { by: 'message' | 'id' | 'name' | 'book' | 'user'; kind: StoredFile['type']; sizes: string[] }
> = {
  ic: { by: 'message', kind: 'media', sizes: imageSizes },
  oic: { by: 'message', kind: 'media', sizes: imageSizes },
  dc: { by: 'message', kind: 'doc', sizes: ['tb'] },
  odc: { by: 'message', kind: 'doc', sizes: ['full', 'tb'] },
  ii: { by: 'id', kind: 'media', sizes: imageSizes },
  oii: { by: 'id', kind: 'media', sizes: imageSizes },
  di: { by: 'id', kind: 'doc', sizes: ['tb'] },
  odi: { by: 'id', kind: 'doc', sizes: ['full'] },
  in: { by: 'name', kind: 'media', sizes: imageSizes },
  oin: { by: 'name', kind: 'media', sizes: imageSizes },
  dn: { by: 'name', kind: 'doc', sizes: ['tb'] },
  odn: { by: 'name', kind: 'doc', sizes: ['full'] },
  last: { by: 'book', kind: 'media', sizes: imageSizes },
  ui: { by: 'user', kind: 'media', sizes: imageSizes },
};

/** How many path segments name the file, and whether a real name may follow. */
const segments = { message: [4, 5], id: [3, 4], name: [1, 2], book: [2, 3], user: [2, 2] } as const;

/** Answers `/live/dbi/…` with bytes, or with the vendor's refusal as a page or as JSON. */
export async function answerDownload(request: SandboxRequest, vendor: Vendor): Promise<SandboxReply> {
  const { switches } = vendor.sandbox.state;
  try {
    const [type = '', size = '', ...rest] = request.path.slice('/live/dbi/'.length).split('/').map(decodePart);
    const form = Object.hasOwn(forms, type) ? forms[type] : undefined;
    if (!form) throw missing(`unknown file type ${type}`, true);
    if (!form.sizes.includes(size)) throw missing(`size ${size} is not offered by ${type}`, true);
    const names = rest.at(-1) === '' ? rest.slice(0, -1) : rest;
    const [least, most] = segments[form.by];
    if (names.length < least || names.length > most) throw missing(`malformed ${type} url`, true);
    const user = form.by === 'name' ? undefined : await callerOf(request, vendor);
    const reply =
      form.by === 'user'
        ? faceOf(vendor, names, size, user)
        : contentOf(vendor, find(vendor, form, names, user), type, size);
    const misplaced = queryRefusal(request.query);
    return { ...reply, save: 'later', ...(misplaced !== undefined && { refusal: misplaced }) };
  } catch (error) {
    return replyTo(error, 'dbi', switches);
  }
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw missing('malformed url', true);
  }
}

function missing(text: string, refusal = false): VendorRefusal {
  return new VendorRefusal(text, {
    refusal,
    page: { status: 404, html: '<html><body><h1>404 Not Found</h1></body></html>' },
  });
}

async function callerOf(request: SandboxRequest, vendor: Vendor): Promise<User | undefined> {
  const { state } = vendor.sandbox;
  const body = (await request.body()).toString('utf8');
  if (request.method !== 'POST') throw refused('POST is expected: only images by internal name are public');
  if (!/^application\/x-www-form-urlencoded/i.test(request.headers['content-type'] ?? ''))
    throw refused('form fields are expected');
  const values = parseForm(body);
  for (const [name, value] of request.query) if (!values.has(name)) values.set(name, value);
  const optional = { version: 'text?', b_c: 'text?', b_o: 'text?', smid: 'id?' } as const;
  const form = checkFields(values, { o_u: 'text', u_c: 'text', sesskey: 'text', ...optional });
  const owner = Object.hasOwn(state.sesskeys, form.text('sesskey')) ? state.sesskeys[form.text('sesskey')] : undefined;
  if (!owner || !('user' in owner) || owner.user !== form.text('o_u'))
    throw new VendorRefusal(state.switches.sesskeyError);
  if (form.text('u_c') !== owner.user) throw refused('u_c must be same as o_u');
  return state.users[owner.user];
}

function find(vendor: Vendor, form: (typeof forms)[string], names: string[], user: User | undefined): StoredFile {
  const { files } = vendor.sandbox.state;
  const [first = '', second = '', third = '', fourth = ''] = names;
  const oneOf = (matches: (file: StoredFile) => boolean) => {
    const file = files.findLast((candidate) => candidate.type === form.kind && matches(candidate));
    if (!file) throw missing('unknown file');
    return file;
  };
  if (form.by === 'name')
    return oneOf(
      ({ internName, uuid }) => internName === first || uuid === first || internName.split('.')[0] === first,
    );
  const book = findBook(vendor, first, second);
  checkAccess(book, user, 'read');
  const inBook = (file: StoredFile) => bookKey(file) === bookKey(book);
  switch (form.by) {
    case 'message':
      return oneOf((file) => inBook(file) && file.smid === third && String(file.mdc) === fourth);
    case 'id':
      return oneOf((file) => inBook(file) && file.id === third);
    default:
      return oneOf((file) => inBook(file) && file.contentType.startsWith('image/'));
  }
}

/** Only contacts have a picture, and in two sizes: every other size returns the small one. */
function faceOf(
  vendor: Vendor,
  [userId = '', sstamp = '']: string[],
  size: string,
  user: User | undefined,
): SandboxReply {
  if (!/^\d+$/.test(sstamp)) throw missing('a user image needs the stamp', true);
  if (!Object.hasOwn(vendor.sandbox.state.users, userId)) throw missing(`unknown user ${userId}`);
  const known = userId === user?.u_c || user?.contacts.includes(userId);
  const body = known ? (size === 'full' ? standIns.faceFull : standIns.face) : standIns.head;
  return { status: 200, headers: { 'content-type': 'image/png' }, body };
}

function contentOf(vendor: Vendor, file: StoredFile, type: string, size: string): SandboxReply {
  const png = { 'content-type': 'image/png' };
  if (!type.startsWith('o') && file.type === 'doc') return { status: 200, headers: png, body: standIns.docIcon };
  const reduced = size === 'tb' || size === 'cover' ? standIns[size] : undefined;
  if (!type.startsWith('o') && reduced && file.contentType.startsWith('image/'))
    return { status: 200, headers: png, body: reduced };
  if (type === 'odc' && size === 'tb') return { status: 200, headers: png, body: standIns.docIcon };

  const stored = file.seed === undefined ? vendor.bytes.get(file.id) : undefined;
  if (file.seed === undefined && !stored) throw missing(`the bytes of file ${file.id} were not kept: it is too large`);
  const headers = {
    'content-type': file.contentType,
    'content-length': String(file.size),
    'content-disposition': `inline; filename*=UTF-8''${encodeURIComponent(file.originName)}`,
  };
  const blocks = stored ? [stored] : generatedBytes(file.seed ?? 0, file.size);
  const cut = vendor.requestFaults.takeDownloadCut();
  if (stored && cut === undefined) return { status: 200, headers, body: stored };
  return { status: 200, headers, write: (response) => stream(response, headers, blocks, cut) };
}

async function stream(
  response: ServerResponse,
  headers: Record<string, string>,
  blocks: Iterable<Buffer>,
  cut: number | undefined,
): Promise<void> {
  response.writeHead(200, headers);
  let left = cut ?? Number.POSITIVE_INFINITY;
  for (const block of blocks) {
    const part = block.subarray(0, Math.min(block.length, left));
    left -= part.length;
    if (left <= 0) {
      // Cut only once the bytes have left: a test counts on what arrives.
      response.write(part, () => response.destroy());
      return;
    }
    if (!response.write(part)) await drained(response);
    if (response.destroyed) return;
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}
