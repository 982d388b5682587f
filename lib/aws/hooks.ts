import { Hooks } from '../hooks/hooks.ts';
import type { Services } from './services.ts';

const made = new WeakMap<Services, Hooks>();

/** The hooks of this process, shared by the code that receives posts and the code that changes hooks. */
export function hooksOf(services: Services): Hooks {
  let hooks = made.get(services);
  if (!hooks) {
    hooks = new Hooks(services.table, services.clock, services.random);
    made.set(services, hooks);
  }
  return hooks;
}
