/** Words in one, each with a capital: `room.created` is `RoomCreated`. */
export function pascalCase(words: string): string {
  const joined = words.replace(/[^A-Za-z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase());
  return joined.charAt(0).toUpperCase() + joined.slice(1);
}
