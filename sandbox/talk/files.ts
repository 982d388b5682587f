import type { SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { logIn } from './accounts.ts';
import { addMessage, findMessage, userAuthor } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { nextId, type StoredFile, type TalkUser } from './state.ts';
import { findRoom, int, isTalk, type Talk, type TalkRequest, text, userIn } from './talk.ts';
import { threadOf } from './threads.ts';

const place = /^\/remote\.php\/dav\/files\/([^/]+)(\/.*)$/;

/** WebDAV below `/remote.php/dav/files/{user}`: PUT, MKCOL and DELETE. */
export async function dav(talk: Talk, request: SandboxRequest): Promise<SandboxReply> {
  const login = logIn(talk, request.headers.authorization);
  const [, owner = '', rest = ''] = place.exec(request.path) ?? [];
  const path = rest.split('/').map(decodeURIComponent).join('/').replace(/\/$/, '');
  const xml = (status: number, message: string) => ({
    status,
    headers: { 'content-type': 'application/xml; charset=utf-8' },
    body: `<?xml version="1.0"?><d:error xmlns:d="DAV:"><s:message>${message}</s:message></d:error>`,
  });
  if (login.kind !== 'account') return xml(401, 'Cannot authenticate over ajax calls');
  const { id: userId } = login.user;
  if (decodeURIComponent(owner) !== userId) return xml(404, 'Principal not found');
  const { files, folders } = talk.state;
  const key = (folder: string) => `${userId}${folder}`;
  const parent = path.slice(0, path.lastIndexOf('/'));
  const isThere = (folder: string) => folder === '' || folders.includes(key(folder));
  const file = files.find((one) => one.userId === userId && one.path === path);
  switch (request.method) {
    case 'MKCOL':
      if (isThere(path)) return xml(405, 'The resource you tried to create already exists');
      if (!isThere(parent)) return xml(409, 'Parent node does not exist');
      folders.push(key(path));
      return { status: 201 };
    case 'PUT': {
      if (!isThere(parent)) return xml(404, `File with name ${parent} could not be located`);
      if (file && request.headers['if-none-match'] === '*') return xml(412, 'An If-None-Match header was specified');
      const { length } = await request.body();
      const type = String(request.headers['content-type'] ?? 'application/octet-stream');
      const stored: StoredFile = { id: file?.id ?? nextId(talk.state, 'file'), userId, path, type, size: length };
      talk.state.files = [...files.filter((one) => one !== file), stored];
      return { status: file ? 204 : 201 };
    }
    case 'DELETE':
      if (!file) return xml(404, 'File not found');
      talk.state.files = files.filter((one) => one !== file);
      return { status: 204 };
    default:
      return xml(405, 'Method not allowed');
  }
}

/** `POST /apps/files_sharing/api/v1/shares` into a room: the chat shows the file as a line. */
export function shareFile(r: TalkRequest): Answer {
  const { id: userId } = r.user as TalkUser;
  const file = r.talk.state.files.find((one) => one.userId === userId && one.path === text(r, 'path'));
  if (!file) return { status: 404, message: 'Wrong path, file/folder does not exist' };
  if (int(r, 'shareType') !== 10) return { status: 400, message: 'Unknown share type' };
  const room = findRoom(r.talk, text(r, 'shareWith'));
  const attendee = room && userIn(room, userId);
  if (!room || !attendee) return { status: 404, message: 'Conversation not found' };
  if (room.readOnly === 1) throw new Stop(403);
  const meta = JSON.parse(text(r, 'talkMetaData') || '{}') as {
    caption?: string;
    replyTo?: number;
    silent?: boolean;
    threadId?: number;
  };
  const parent = meta.replyTo ?? 0;
  if (parent !== 0 && !findMessage(r.talk, room, parent)) return { status: 400, message: 'Reply-to is not there' };
  const name = file.path.split('/').at(-1) ?? '';
  const line = addMessage(r.talk, room, userAuthor(r.talk, userId), {
    verb: 'object_shared',
    text: (isTalk(r.talk, '18') ? meta.caption : undefined) ?? '{file}',
    params: { type: 'file', id: String(file.id), name, path: name, mimetype: file.type, size: String(file.size) },
    parent,
    thread: meta.threadId ?? threadOf(r, room, parent) ?? 0,
    silent: isTalk(r.talk, '18') && meta.silent === true,
    referenceId: text(r, 'referenceId'),
  });
  r.talk.pushes.chatMessage(room, line);
  return { status: 200, data: { id: String(line.id), share_type: 10, path: file.path, file_source: file.id } };
}
