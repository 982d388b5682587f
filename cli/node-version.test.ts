import { expect, test } from 'vitest';
import { nodeProblem } from './node-version.ts';

test('an older Node is named together with the one that is needed', () => {
  expect(nodeProblem('20.20.2')).toContain('needs Node 22.19 or newer, and this is Node 20.20.2');
  expect(nodeProblem('22.9.0')).toContain('22.9.0');
  for (const version of ['22.19.0', '22.23.1', '24.1.0', '100.0.0']) expect(nodeProblem(version)).toBeUndefined();
});
