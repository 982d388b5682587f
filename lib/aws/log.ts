import { redact } from '../core/redact.ts';
import { sourceStack } from './source-stack.ts';

export type LogLine = Record<string, unknown>;

let write = (text: string): void => {
  process.stdout.write(text);
};

/** Sends the lines elsewhere: on one machine they are gathered, for a write to standard output blocks. */
export function logTo(sink: (text: string) => void): void {
  write = sink;
}

/** Writes one redacted JSON line to standard output, where CloudWatch reads it. */
export function log(line: LogLine): void {
  write(`${sourceStack(JSON.stringify(redact({ time: new Date().toISOString(), ...line })))}\n`);
}

/** A CloudWatch metric as a log line (embedded metric format): no request of its own. */
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
