import type { Clock } from '../core/clock.ts';
import type { Connection, Note, Notes } from '../core/vendor.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** A note as stored in the table. Times are epoch milliseconds. */
interface NoteItem extends Key {
  /** JSON. */
  value?: string;
  sum?: number;
  at: number;
  keptUntil: number;
  expiresAt: number;
}

/** The notes of a connection, in the table; an expired one counts as absent, whether or not it is deleted yet. */
export function notesOf(table: Table, clock: Clock, { vendor, name }: Pick<Connection, 'vendor' | 'name'>): Notes {
  return notesAt(table, clock, (note) => keys.note(vendor, name, note));
}

/** The notes that all connections of a vendor share. */
export function sharedNotesOf(table: Table, clock: Clock, vendor: string): Notes {
  return notesAt(table, clock, (note) => keys.sharedNote(vendor, note));
}

function notesAt(table: Table, clock: Clock, keyOf: (name: string) => Key): Notes {
  const times = (seconds: number) => {
    const at = clock.now();
    const keptUntil = at + seconds * 1000;
    return { at, keptUntil, expiresAt: expiry(keptUntil) };
  };
  const itemOf = (name: string, value: unknown, seconds: number): NoteItem => ({
    ...keyOf(name),
    value: JSON.stringify(value),
    ...times(seconds),
  });
  const noteOf = (item: NoteItem | undefined): Note | undefined => {
    if (!item || item.keptUntil <= clock.now()) return undefined;
    return { value: item.value === undefined ? item.sum : JSON.parse(item.value), at: item.at };
  };
  return {
    read: async (name) => noteOf(await table.get<NoteItem>(keyOf(name), true)),
    readMany: async (names) => (await table.getMany<NoteItem>(names.map(keyOf))).map(noteOf),
    async claim(name, value, seconds) {
      const put = await table.put<NoteItem>(
        itemOf(name, value, seconds),
        'attribute_not_exists(#pk) OR #keptUntil <= :now',
        { now: clock.now() },
      );
      return put.done;
    },
    async write(name, value, seconds) {
      await table.put<NoteItem>(itemOf(name, value, seconds));
    },
    async remove(name) {
      await table.delete(keyOf(name));
    },
    async add(name, amount, seconds) {
      const added = await table.update<NoteItem>(
        keyOf(name),
        'SET #at = :at, #keptUntil = :keptUntil, #expiresAt = :expiresAt ADD #sum :amount',
        { amount, ...times(seconds) },
      );
      return added.item?.sum ?? amount;
    },
  };
}
