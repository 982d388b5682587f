import { nearest } from './nearest.ts';
import type { Shape } from './operation.ts';
import { isRecord } from './record.ts';

/** One value that a field may take, as a form or a drop-down shows it. */
export interface Choice {
  readonly id: string | number;
  readonly name: string;
  /** Distinguishes two entries with the same name. */
  readonly detail?: string;
  /** Values of other fields that this choice settles, by field name: a book also names its owner. */
  readonly with?: Readonly<Record<string, string | number>>;
}

/** Where the values of a field come from: a kind of choice, and the fields that must be filled in before it can be requested. */
export interface FieldChoices {
  readonly kind: string;
  readonly of?: readonly string[];
}

/** How a vendor lists the choices of one kind. */
export interface ChoiceSource {
  /** The read operation that lists them; a key needs its scope. */
  readonly operation: string;
  /** Parameters of the list, such as the book of a table. */
  readonly of?: () => Shape;
  /** The operation's input; absent, the parameters themselves. */
  readonly input?: (of: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  /** Reads the choices from the operation's answer. Entries without an id are dropped. */
  readonly read: (answer: unknown, of: Readonly<Record<string, unknown>>) => readonly ChoiceParts[];
}

/** The unvalidated fields of a choice in a response. */
export interface ChoiceParts {
  readonly id: unknown;
  readonly name?: unknown;
  readonly detail?: unknown;
  readonly with?: Readonly<Record<string, string | number>>;
}

export type ChoiceSources = Readonly<Record<string, ChoiceSource>>;

/** The objects in the list at a path of a response. Empty if there is no such list. */
export function entriesAt(answer: unknown, ...path: string[]): Record<string, unknown>[] {
  const list = path.reduce((value, step) => (isRecord(value) ? value[step] : undefined), answer);
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

/** Completes what was read; an entry without a name goes by its id. */
export function choicesOf(parts: readonly ChoiceParts[]): Choice[] {
  return parts.flatMap(({ id, name, detail, with: settled }) => {
    if ((typeof id !== 'string' && typeof id !== 'number') || id === '') return [];
    const more = textOf(detail);
    return [
      {
        id,
        name: textOf(name) ?? String(id),
        ...(more !== undefined && { detail: more }),
        ...(settled && { with: settled }),
      },
    ];
  });
}

/** The choices whose name, detail or id contains every word of a search, regardless of case. */
export function matching(choices: readonly Choice[], search: string | undefined): Choice[] {
  const words = (search ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return choices.filter(({ id, name, detail = '' }) => {
    const text = `${name} ${detail} ${id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** ` Did you mean 1 (Dispatch)?`, or, where none is near, some of the choices as examples; an empty text if there are none. */
export function suggestion(wanted: string, choices: readonly Choice[]): string {
  const names = choices.flatMap(({ id, name }) => [String(id), name]);
  // Numbers with the same digits have nothing in common.
  const near = /^\d*$/.test(wanted) ? [] : nearest(wanted.slice(0, 100), names);
  const found = near.flatMap((each) => choices.filter(({ id, name }) => each === name || each === String(id)));
  const [shown] = [found, choices].filter((list) => list.length > 0);
  if (!shown) return '';
  const words = [...new Set(shown)].slice(0, 3).map(labelOf).join(', ');
  return shown === found ? ` Did you mean ${words}?` : ` There are, for example, ${words}.`;
}

function labelOf({ id, name, with: settled = {} }: Choice): string {
  const more = [...(name === String(id) ? [] : [name]), ...Object.entries(settled).map((each) => each.join(' '))];
  return more.length > 0 ? `${id} (${more.join(', ')})` : String(id);
}

function textOf(value: unknown): string | undefined {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : undefined;
}
