/** How long lines are collected, in milliseconds. */
const gatherMs = 50;

/** Collects log lines, and formats and writes them in batches, so that requests do not wait for it. */
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
