import type { LogServices } from '../events/log.ts';
import { appendOwnEvent } from '../events/own-events.ts';
import type { HookItem } from '../hooks/hooks.ts';
import { readStatuses } from '../hooks/status.ts';
import { keys } from '../store/items.ts';

/**
 * Reports every hook that is expected to be busy and has received nothing for longer than its `silentAfterSeconds`: once per
 * silence.
 */
export async function reportSilentHooks(services: LogServices): Promise<string[]> {
  const { table, clock } = services;
  const hooks = (await table.queryAll<HookItem>({ pk: keys.hooks() })).filter(
    ({ silentAfterSeconds }) => silentAfterSeconds !== undefined,
  );
  if (hooks.length === 0) return [];
  const statuses = await readStatuses(table);
  const silent: string[] = [];
  for (const { id, name, silentAfterSeconds = 0, updatedAt } of hooks) {
    const lastReceivedAt = statuses.get(id)?.lastReceivedAt;
    // A changed hook has had no chance to receive anything since.
    const since = Math.max(Date.parse(lastReceivedAt ?? updatedAt), Date.parse(updatedAt));
    if (clock.now() - since <= silentAfterSeconds * 1000) continue;
    silent.push(name);
    await appendOwnEvent(services, {
      type: 'trunkline.hook.silent',
      id: `${id}/${since}`,
      data: { hookId: id, hook: name, silentAfterSeconds, ...(lastReceivedAt !== undefined && { lastReceivedAt }) },
    });
  }
  return silent;
}
