import { onTestFinished } from 'vitest';
import { logTo } from '../../lib/aws/log.ts';

/** The log lines that the code under test writes until the end of the current test. */
export function collectLog(): string[] {
  const lines: string[] = [];
  logTo((line) => void lines.push(line()));
  onTestFinished(() => logTo());
  return lines;
}
