import { expect, test } from 'vitest';
import { effectLine, terminalLine } from './terminal-lines.ts';

test('the words of a sender do not control the terminal', () => {
  const words = 'Gate\u001b[2J\u0007\r\n3\u009b31m\u202e\u2028 🔥';
  const shown = 'Gate [2J 3 31m  🔥';
  const time = '2026-11-27T19:00:00.000Z';
  expect(effectLine(words)).toContain(shown);
  expect(terminalLine(JSON.stringify({ time, level: 'error', message: 'failed', reason: words }))).toContain(shown);
  const request = { time, method: 'POST', path: words, status: 422, ms: 1, problem: words };
  expect(terminalLine(JSON.stringify(request))).toContain(`POST ${shown} 1 ms  ${shown}`);
});
