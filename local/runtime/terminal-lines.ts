import { styleText } from 'node:util';
import { printable } from '../../lib/core/printable.ts';

/** A log line as a person at a terminal reads it; undefined for lines that are not shown (ticks, metrics). */
export function terminalLine(text: string): string | undefined {
  const line = parsed(text);
  if (line === undefined) return text.trimEnd();
  const { time, level, message } = line;
  const at = styleText('dim', new Date(String(time)).toLocaleTimeString());
  if (line._aws !== undefined) return undefined;
  if (typeof line.method === 'string') {
    const status = Number(line.status);
    const colour = status >= 500 ? 'red' : status >= 400 ? 'yellow' : 'green';
    const why = typeof line.problem === 'string' ? `  ${line.problem}` : '';
    const what = printable(`${line.method} ${String(line.path)} ${String(line.ms)} ms${why}`);
    return `${at} ${styleText(colour, String(status))} ${what}`;
  }
  if (level !== 'error' && level !== 'warn' && typeof message !== 'string') return undefined;
  const named = ['automation', 'run', 'hook', 'hookId', 'vendor', 'connection', 'reason', 'stream', 'durable', 'clock']
    .filter((name) => line[name] !== undefined)
    .map((name) => `${name} ${String(line[name])}`);
  const mark = level === 'error' ? styleText('red', '✗') : level === 'warn' ? styleText('yellow', '!') : '·';
  return `${at} ${mark} ${printable([String(message ?? 'failed'), ...named].join('  '))}`;
}

/** An effect at a stand-in vendor: a sound, a chat line, a row. */
export function effectLine(effect: string): string {
  return `${styleText('dim', new Date().toLocaleTimeString())} ${styleText(['bold', 'magenta'], `▶ ${printable(effect)}`)}`;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
