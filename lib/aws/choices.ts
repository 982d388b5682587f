import { listAutomations } from '../automations/automations.ts';
import type { OwnChoices } from '../connections/choices/routes.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { eventTypesOf } from '../events/event-types.ts';
import { hooksOf } from './hooks.ts';
import type { Services } from './services.ts';

/** The choices among Trunkline's own resources, by kind. */
export function ownChoices(services: Services, vendors: EventCatalogue): Record<string, OwnChoices> {
  return {
    'event-types': {
      area: 'events',
      list: async (_principal, vendor) =>
        eventTypesOf(vendors)
          .filter((type) => vendor === undefined || type.vendor === vendor)
          .map(({ type, summary }) => ({ id: type, name: type, detail: summary })),
    },
    hooks: {
      area: 'hooks',
      list: async () =>
        (await hooksOf(services).list()).map(({ id, name, verify }) => ({ id, name, detail: verify.kind })),
    },
    automations: {
      area: 'automations',
      list: async () =>
        (await listAutomations(services.table)).map(({ id, name, enabled }) => ({
          id,
          name,
          detail: enabled ? 'enabled' : 'disabled',
        })),
    },
  };
}
