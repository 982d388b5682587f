import { raw } from './exact-json.ts';
import { messageJson } from './message-json.ts';
import type { Book, User } from './state.ts';
import { type ApiRequest, bookKey, checkAccess, findBook, type Vendor } from './vendor.ts';

/** The requests about books and who is in them. */
export const bookRequests: Record<string, ApiRequest> = {
  getAllBooks: {
    session: 'required',
    fields: { sstamp: 'bigint?', b_c: 'text?', b_o: 'text?' },
    answer: ({ vendor, form, user }) => {
      const { state } = vendor.sandbox;
      const known = BigInt(form.maybe('sstamp') ?? '-1');
      const [b_o, b_c] = [form.maybe('b_o'), form.maybe('b_c')];
      const mine = state.books.filter(({ members }) => members.some(({ u_c }) => u_c === user?.u_c));
      const books = mine.filter(
        (book) => BigInt(book.sstamp) > known && (b_o ?? book.b_o) === book.b_o && (b_c ?? book.b_c) === book.b_c,
      );
      const contacts = (user?.contacts ?? []).flatMap((u_c) => contactJson(state.users[u_c]));
      return {
        sstamp: raw(state.sstamp),
        allBooks: {
          nbBooks: mine.length,
          nbContacts: contacts.length,
          contacts,
          books: user ? books.map((book) => bookJson(vendor, book, user)) : [],
        },
      };
    },
  },
  getBookInfo: {
    session: 'required',
    fields: { b_c: 'text', b_o: 'text' },
    answer: ({ vendor, form, user }) => {
      const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
      checkAccess(book, user, 'read');
      return { sstamp: raw(vendor.sandbox.state.sstamp), book: user && bookJson(vendor, book, user) };
    },
  },
};

function contactJson(user: User | undefined): Record<string, unknown>[] {
  if (!user) return [];
  const { u_c, lastName, firstName } = user;
  return [{ u_c, lastName, firstName, sstamp: raw(user.sstamp), isConfirmed: true }];
}

function bookJson(vendor: Vendor, book: Book, user: User): Record<string, unknown> {
  const messages = vendor.sandbox.state.messages.filter(({ b_o, b_c }) => b_o === book.b_o && b_c === book.b_c);
  const shown = messages.filter(({ del }) => !del);
  const read = BigInt(user.lastRead[bookKey(book)] ?? '0');
  const last = shown.at(-1);
  const media = vendor.sandbox.state.files.findLast(
    ({ type, smid, b_o, b_c }) => type === 'media' && smid && b_o === book.b_o && b_c === book.b_c,
  );
  return {
    accepted: book.members.some(({ u_c, invite }) => u_c === user.u_c && invite === 'accepted'),
    archived: false,
    sstamp: raw(book.sstamp),
    del: false,
    b_c: book.b_c,
    b_o: book.b_o,
    contact_u_c: null,
    nbNotRead: shown.filter(({ smid, u_c }) => BigInt(smid) > read && u_c !== user.u_c).length,
    nbMsgs: shown.length,
    nbMembers: book.members.length,
    members: book.members,
    fpForm: { sfpid: raw(book.sfpid), name: `${book.b_c}.${book.b_o}`, lastModified: book.formLastModified },
    lastMsg: last && { ...messageJson(vendor, last), b_c: book.b_c, b_o: book.b_o },
    userPrefs: {
      maxMsgsOffline: 20,
      syncWithHubic: false,
      uCoverLetOwnerDecide: false,
      uCoverColor: 'green',
      uCoverUseLastImg: false,
      uCoverImg: null,
      uCoverType: 'color',
      inGlobalSearch: true,
      inGlobalTasks: true,
      notifyMobile: true,
    },
    ownerPrefs: {
      oCoverColor: 'gray',
      oCoverUseLastImg: true,
      oCoverImg: null,
      oCoverType: 'image',
      authorizeMemberBroadcast: true,
      acceptExternalMsg: true,
      title: book.title,
      notifyMobileConfidential: false,
      ...book.params,
    },
    sbid: raw(book.sbid),
    lastMsgRead: raw(String(read)),
    lastMedia: media ? raw(media.id) : 0,
    favorite: book.b_o === user.u_c,
    order: 0,
  };
}
