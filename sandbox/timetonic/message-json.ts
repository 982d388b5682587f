import { raw } from './exact-json.ts';
import type { Message, StoredFile } from './state.ts';
import type { Vendor } from './vendor.ts';

/** A message as `getBookMessages` and the book lists show it. */
export function messageJson(vendor: Vendor, message: Message): Record<string, unknown> {
  const files = vendor.sandbox.state.files.filter(({ smid }) => smid === message.smid);
  const of = (type: StoredFile['type']) => files.filter((file) => file.type === type).map(attachmentJson);
  const [medias, docs] = [of('media'), of('doc')];
  return {
    del: message.del,
    u_c: message.u_c,
    created: message.created,
    lastModified: message.lastModified,
    uuid: message.uuid,
    sstamp: raw(message.sstamp),
    pid: 0,
    msgBody: message.body === '' ? '' : 'Read more',
    msgBodyHTML: '',
    msgType: 'm',
    msgMethod: message.method,
    msgColor: '',
    nbComments: 0,
    lastCommentId: raw(message.smid),
    medias: medias.length > 0 ? medias : undefined,
    docs: docs.length > 0 ? docs : undefined,
    nbMedias: message.nbMedias,
    nbEmailCids: 0,
    nbDocs: message.nbDocs,
    event: message.event,
    msg: message.del ? '' : message.msg,
    smid: raw(message.smid),
  };
}

function attachmentJson(file: StoredFile): Record<string, unknown> {
  return {
    id: raw(file.id),
    ext: file.ext,
    originName: file.originName,
    internName: file.internName,
    uuid: file.uuid,
    size: file.size,
    type: file.type,
    emailCid: '',
    del: false,
  };
}
