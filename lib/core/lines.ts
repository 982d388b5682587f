/**
 * Cuts text that arrives in pieces into lines: takes the next piece and returns the lines that it completes, without their
 * line feed. After the last piece, a `\n` returns what is left.
 *
 * Only a line feed ends a line. `node:readline` also ends one at U+2028 and U+2029, which JSON leaves as they are within
 * its strings, so it would cut a JSON text in two.
 */
export function lineCutter(): (piece: string) => string[] {
  let rest = '';
  return (piece) => {
    const [first = '', ...more] = piece.split('\n');
    const lines = [rest + first, ...more];
    rest = lines.pop() ?? '';
    return lines;
  };
}
