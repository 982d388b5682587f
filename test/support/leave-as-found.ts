import { afterAll, vi } from 'vitest';
import { resetServices } from '../../lib/aws/services.ts';

// Files that start products share processes: each leaves the environment, the services and what it has mocked as it found them.
const environment = { ...process.env };

afterAll(() => {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
  vi.useRealTimers();
  vi.restoreAllMocks();
  resetServices();
});
