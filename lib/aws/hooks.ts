import { Hooks } from '../hooks/hooks.ts';
import type { Services } from './services.ts';

const made = new WeakMap<Services, Hooks>();

/** The hooks of this process: one for those who receive and those who change them. */
export function hooksOf(services: Services): Hooks {
  let hooks = made.get(services);
  if (!hooks) {
    hooks = new Hooks(services.table, services.clock, services.random);
    made.set(services, hooks);
  }
  return hooks;
}
