import { startSchedules } from '../lib/automations/start-schedules.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';

/** Every minute: the automations whose time has come. */
export const handler = scheduledFunction('start-schedules', startSchedules);
