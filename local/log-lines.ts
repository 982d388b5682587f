/** How long lines are gathered, in milliseconds. */
const pause = 50;

/** Gathers log lines and writes them together, so that a request does not wait for a blocking write. */
export function gatherLines(output: { write(text: string): unknown }): { write(text: string): void; flush(): void } {
  let gathered: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered.length === 0) return;
    output.write(gathered.join(''));
    gathered = [];
  };
  process.once('exit', flush);
  return {
    write: (text) => {
      gathered.push(text);
      timer ??= setTimeout(flush, pause);
    },
    flush,
  };
}
