import type { Recipes } from '../lib/automations/recipes/recipe.ts';
import { alarmPanel } from './alarm-panel.ts';
import { functionKey } from './function-key.ts';
import { geofence } from './geofence.ts';
import { jobDispatch } from './job-dispatch.ts';
import { loneWorker } from './lone-worker.ts';
import { monitoringAlert } from './monitoring-alert.ts';
import { onboarding } from './onboarding.ts';
import { positions } from './positions.ts';
import { recordings } from './recordings.ts';
import { rota } from './rota.ts';
import { talkKeyword } from './talk-keyword.ts';
import { warRoom } from './war-room.ts';

/** The recipes that ship with Trunkline, by installation name. */
export const recipes: Recipes = {
  'alarm-panel': alarmPanel,
  'talk-keyword': talkKeyword,
  'function-key': functionKey,
  'lone-worker': loneWorker,
  'job-dispatch': jobDispatch,
  rota,
  'monitoring-alert': monitoringAlert,
  'war-room': warRoom,
  onboarding,
  geofence,
  positions,
  recordings,
};
