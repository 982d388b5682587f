/** The form of a connection's name, as the source of a regular expression; browsers insist on the escaped hyphen. */
export const slugPattern = '[a-z][a-z0-9\\-]{0,39}';

const slug = new RegExp(`^${slugPattern}$`);

/** Completes "The name of a connection" or "must be" in an error message. */
export const slugRule = 'a slug: a-z, 0-9 and hyphens, at most 40, a letter first';

/** True for the name of a connection. */
export function isSlug(text: string): boolean {
  return slug.test(text);
}
