const maxSuggestions = 3;

/** ` Did you mean X, Y?` with the names nearest to a mistyped one, or an empty text when none is near. */
export function didYouMean(typed: string, names: Iterable<string>): string {
  const near = nearest(typed.slice(0, 100), names);
  return near.length > 0 ? ` Did you mean ${near.join(', ')}?` : '';
}

/** The names nearest to a mistyped one, the nearest first. */
export function nearest(typed: string, names: Iterable<string>): string[] {
  const wanted = typed.toLowerCase();
  if (wanted === '') return [];
  const limit = Math.max(1, Math.floor(wanted.length / 4));
  return [...new Set(names)]
    .map((name) => {
      const candidate = name.toLowerCase();
      const contained = candidate.includes(wanted) || (wanted.length > 2 && wanted.includes(candidate));
      return { name, distance: contained ? Math.min(limit, 1) : editDistance(wanted, candidate, limit) };
    })
    .filter(({ distance }) => distance <= limit)
    .sort((one, other) => one.distance - other.distance)
    .slice(0, maxSuggestions)
    .map(({ name }) => name);
}

/** Levenshtein distance; anything above `limit` is reported as `limit + 1`. */
function editDistance(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) > limit) return limit + 1;
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return Math.min(previous[other.length] ?? 0, limit + 1);
}
