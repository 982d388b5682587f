import { confirm, isCancel } from '@clack/prompts';
import type { Api } from '../api.ts';
import { UsageError } from '../failures.ts';
import { jsonArgument } from '../input.ts';
import { isRecord, type Output, tableOf } from '../output.ts';

/** The id of an automation by its name or id. */
export async function automationId(api: Api, nameOrId: string): Promise<string> {
  const automations = await api.get<{ id: string; name: string }[]>('/v1/automations');
  const found = automations.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (found) return found.id;
  const names = automations.map(({ name }) => name).join(', ') || 'none';
  throw new UsageError(`There is no automation ${JSON.stringify(nameOrId)}. There are: ${names}.`);
}

export interface RehearseOptions {
  event?: string;
  data?: string;
  reads?: boolean;
}

/** `trunkline rehearse AUTOMATION`: the run that an event would start, without sending anything. */
export async function rehearse(api: Api, output: Output, automation: string, options: RehearseOptions): Promise<void> {
  const id = await automationId(api, automation);
  if (options.event !== undefined && options.data !== undefined)
    throw new UsageError('Name a stored event with --event, or give one with --data, not both.');
  const body = {
    ...(options.event !== undefined && { eventId: options.event }),
    ...(options.data !== undefined && { event: jsonArgument(options.data) }),
    ...(options.reads && { reads: true }),
  };
  output.result(await api.post(`/v1/automations/${id}/test`, body));
}

export interface BacktestOptions {
  since: string;
  until?: string;
  limit?: number;
}

interface Backtest {
  next?: string;
  summary: { runs: Record<string, number>; calls: Record<string, number> };
  runs: { startedAt: string; state: string; automation: string; eventId?: string; reason?: string; steps: unknown[] }[];
}

/** `trunkline backtest AUTOMATION`: the runs that past events would have started; nothing is sent. */
export async function backtest(api: Api, output: Output, automation: string, options: BacktestOptions): Promise<void> {
  const id = await automationId(api, automation);
  const body = {
    since: momentOf(options.since),
    ...(options.until !== undefined && { until: momentOf(options.until) }),
    ...(options.limit !== undefined && { limit: options.limit }),
  };
  const shown = await api.post<Backtest>(`/v1/automations/${id}/backtest`, body);
  const rows = shown.runs.map(({ startedAt, state, eventId = '', reason = '', steps }) => ({
    startedAt,
    state,
    event: eventId,
    steps: steps.length,
    reason,
  }));
  const counts = Object.entries({ ...shown.summary.runs, ...shown.summary.calls }).map(([name, n]) => `${n} ${name}`);
  const more =
    shown.next === undefined ? '' : '\nThere are more: choose an earlier --until, a later --since or a higher --limit.';
  output.result(shown, `${rows.length > 0 ? `${tableOf(rows)}\n\n` : ''}${counts.join(', ') || 'No runs.'}${more}`);
}

/** A time in ISO 8601; `24h`, `7d` and `30m` count back from now. */
function momentOf(text: string): string {
  const [, count, unit = ''] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const unitMs: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
  if (count !== undefined) return new Date(Date.now() - Number(count) * (unitMs[unit] ?? 0)).toISOString();
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new UsageError(`${text} is not a time: write 2026-01-05T02:11:09Z, 24h or 7d.`);
  return new Date(time).toISOString();
}

/** `trunkline replay RUN`: repeats what failed, after a question, because a siren may sound again. */
export async function replay(api: Api, output: Output, run: string, { all, yes }: { all?: boolean; yes?: boolean }) {
  if (!yes) {
    if (!process.stdin.isTTY) throw new UsageError('A replay sends again. Add --yes to confirm it.');
    const shown = await api.get<{ name?: string; steps?: unknown[] }>(`/v1/runs/${run}`);
    const calls = (shown.steps ?? []).filter(isRecord).map(({ call, state }) => `${String(call)} (${String(state)})`);
    const sure = await confirm({ message: `Replay ${shown.name ?? run}: ${calls.join(', ')}?`, initialValue: false });
    if (isCancel(sure) || !sure) return;
  }
  output.result(await api.post(`/v1/runs/${run}/replay`, all ? { all: true } : {}));
}

/** `trunkline pause` and `trunkline resume`: nothing is sent until it is resumed; what waits is kept. */
export async function pause(
  api: Api,
  output: Output,
  action: 'pause' | 'resume' | 'show',
  reason?: string,
): Promise<void> {
  const method = { pause: 'POST', resume: 'DELETE', show: 'GET' }[action];
  const body = action === 'pause' ? { ...(reason !== undefined && { reason }) } : undefined;
  const answer = await api.send(method, '/v1/pause', body === undefined ? {} : { body });
  output.result(answer.body, answer.body === undefined ? 'Sending is resumed.' : undefined);
}
