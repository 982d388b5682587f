/** How long lines are collected, in milliseconds. */
const gatherMs = 50;

/** How much may wait for a reader that has stopped reading, in bytes. */
const maxUnread = 1024 * 1024;

/** The part of a stream to which lines are written. */
export interface LineOutput {
  write(text: string): unknown;
  /** The bytes that nobody has read yet. */
  readonly writableLength: number;
}

/**
 * Collects log lines, and formats and writes them in batches, so that requests do not wait for it. Lines that nobody reads are
 * dropped; `onDropped` receives their number once somebody reads again.
 */
export function gatherLines(
  output: LineOutput,
  onDropped: (count: number) => void = () => undefined,
): {
  write(line: () => string): void;
  flush(): void;
} {
  let dropped = 0;
  let gathered: (() => string)[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered.length === 0) return;
    const lines = gathered;
    gathered = [];
    if (output.writableLength > maxUnread) {
      dropped += lines.length;
      return;
    }
    output.write(lines.map((line) => line()).join(''));
    const count = dropped;
    dropped = 0;
    if (count > 0) onDropped(count);
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

/**
 * Lets writes to standard output and standard error wait in memory. Node writes to a terminal until it has taken everything, so that
 * one that shows nothing more, after Ctrl-S or when its connection is lost, would stop the whole process.
 */
export function writeWithoutWaiting(): void {
  for (const output of [process.stdout, process.stderr]) {
    // Node has no public name for it.
    const { _handle: handle } = output as { _handle?: { setBlocking?(isBlocking: boolean): void } };
    handle?.setBlocking?.(false);
  }
}
