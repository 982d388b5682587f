import { raw } from './exact-json.ts';
import type { Comment } from './state.ts';
import type { Vendor } from './vendor.ts';

/** The comments of one cell, oldest first. */
export function commentsOf(vendor: Vendor, rowId: string, fieldId: string): Comment[] {
  return vendor.sandbox.state.comments.filter((comment) => comment.rowId === rowId && comment.fieldId === fieldId);
}

/** The value of a cell of comments: a summary, and the last `most` comments if requested. Null if there are none. */
export function commentsJson(
  all: Comment[],
  reader: string | undefined,
  most?: number,
): Record<string, unknown> | null {
  const last = all.at(-1);
  if (!last) return null;
  const shown = most === undefined ? all : all.slice(-most);
  const summary = {
    sstamp: raw(last.sstamp),
    total: all.length,
    totalUnread: all.filter(({ u_c }) => u_c !== reader).length,
    notifSubscribe: null,
    from: raw(shown[0]?.id ?? '0'),
  };
  return { summary, comments: most === undefined ? undefined : shown.map((comment) => commentJson(comment, reader)) };
}

function commentJson({ id, text, u_c, created, sstamp }: Comment, reader: string | undefined): Record<string, unknown> {
  const unread = u_c === reader ? {} : { ur: true };
  return { id: raw(id), m: text, mid: 0, action: [], uc: u_c, c: created, s: raw(sstamp), ...unread };
}

/** Names and stamps of the users who wrote comments, keyed by user code. */
export function commentUsers(vendor: Vendor, comments: Comment[]): Record<string, unknown> {
  const codes = [...new Set(comments.map(({ u_c }) => u_c))];
  return Object.fromEntries(
    codes.map((u_c) => {
      const user = Object.hasOwn(vendor.sandbox.state.users, u_c) ? vendor.sandbox.state.users[u_c] : undefined;
      return [u_c, { n: user ? `${user.firstName} ${user.lastName}` : u_c, s: raw(user?.sstamp ?? '0') }];
    }),
  );
}
