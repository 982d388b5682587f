/** How long lines are gathered, in milliseconds. */
const gatherMs = 50;

/** Gathers log lines, and makes and writes them together, so that a request waits for neither. */
export function gatherLines(output: { write(text: string): unknown }): {
  write(line: () => string): void;
  flush(): void;
} {
  let gathered: (() => string)[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered.length === 0) return;
    const lines = gathered;
    gathered = [];
    output.write(lines.map((line) => line()).join(''));
  };
  process.once('exit', flush);
  return {
    write: (line) => {
      gathered.push(line);
      timer ??= setTimeout(flush, gatherMs);
    },
    flush,
  };
}
