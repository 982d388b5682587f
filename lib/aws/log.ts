import { redact } from '../core/redaction/redact.ts';
import { sourceStack } from './source-stack.ts';

export type LogLine = Record<string, unknown>;

const writeNow = (line: () => string): void => {
  process.stdout.write(line());
};
let write = writeNow;

/**
 * Redirects log lines, or without a sink writes them to standard output again. Each is passed as a function that formats it, so that the
 * local product can format and write many at once.
 */
export function logTo(sink = writeNow): void {
  write = sink;
}

let observe: ((line: LogLine) => void) | undefined;

/** Observes every line before it is redacted, or no longer. The local product derives its metrics from the log. */
export function onLog(observer?: (line: LogLine) => void): void {
  observe = observer;
}

/** Writes one redacted JSON line to standard output, where CloudWatch reads it. What it is given must not change any more. */
export function log(line: LogLine): void {
  const time = Date.now();
  observe?.(line);
  write(() => `{"time":"${new Date(time).toISOString()}",${textOf(line).slice(1)}\n`);
}

function textOf(line: LogLine): string {
  try {
    return sourceStack(JSON.stringify(redact(line)));
  } catch (error) {
    // A log line never fails the call that it describes.
    return JSON.stringify({ level: 'error', message: 'a line could not be written', reason: String(error) });
  }
}

/** A CloudWatch metric as a log line (embedded metric format), which needs no extra request. */
export function metric(
  name: string,
  value: number,
  unit: 'Count' | 'Milliseconds',
  dimensions: Record<string, string>,
): void {
  log({
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        { Namespace: 'Trunkline', Dimensions: [Object.keys(dimensions)], Metrics: [{ Name: name, Unit: unit }] },
      ],
    },
    ...dimensions,
    [name]: value,
  });
}
