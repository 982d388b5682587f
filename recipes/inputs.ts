import type { RecipeInput } from '../lib/automations/recipes/recipe.ts';

/** The connections that most recipes need. */
export const radio: RecipeInput = {
  title: 'The ProPTT2 connection',
  type: 'text',
  choices: 'connections?vendor=proptt2',
  pick: 'name',
};
export const chat: RecipeInput = {
  title: 'The Talk connection',
  type: 'text',
  choices: 'connections?vendor=talk',
  pick: 'name',
};
export const tables: RecipeInput = {
  title: 'The TimeTonic connection',
  type: 'text',
  choices: 'connections?vendor=timetonic',
  pick: 'name',
};
export const room: RecipeInput = {
  title: 'The Talk room for messages, by its token',
  type: 'text',
  choices: 'talk/{chat}/rooms',
};
export const book: Readonly<Record<'bookOwner' | 'bookCode', RecipeInput>> = {
  bookOwner: {
    title: 'The owner of the book (b_o)',
    type: 'text',
    choices: 'timetonic/{tables}/books',
    pick: 'detail',
  },
  bookCode: { title: 'The code of the book (b_c)', type: 'text', choices: 'timetonic/{tables}/books' },
};
export const channel = (title: string): RecipeInput => ({
  title,
  type: 'number',
  choices: 'proptt2/{radio}/channels',
});
export const table = (title: string, code: string): RecipeInput => ({
  title,
  type: 'text',
  default: code,
  choices: 'timetonic/{tables}/tables?bookOwner={bookOwner}&bookCode={bookCode}',
  pick: 'detail',
});

/** A connection of each vendor, a room and a book. */
export const places = { radio, chat, room, tables, ...book };
