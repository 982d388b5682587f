import { expect, test } from 'vitest';
import type { Table } from '../lib/store/table.ts';
import { series } from '../test/support/prometheus.ts';
import { Metrics } from './metrics.ts';

const empty = { get: async () => undefined } as unknown as Table;
const idle = { running: 0, waiting: 0, resting: 0, oldestWaitingMs: 0 };

test('requests are counted by kind, status and duration', async () => {
  const metrics = new Metrics();
  metrics.note({ method: 'POST', path: '/v1/proptt2/demo/sendSosToChannel', status: 200, ms: 30 });
  metrics.note({ method: 'POST', path: '/v1/proptt2/demo/sendSosToChannel', status: 502, ms: 3_000 });
  metrics.note({ method: 'GET', path: '/v1/runs', status: 200, ms: 4 });
  metrics.note({ method: 'POST', path: '/hooks/…', status: 202, ms: 40_000, level: 'error' });
  const found = series(await metrics.text(empty, {}, [], 0));
  expect(found).toMatchObject({
    'trunkline_requests_total{kind="call",status="200"}': 1,
    'trunkline_requests_total{kind="call",status="502"}': 1,
    'trunkline_requests_total{kind="control",status="200"}': 1,
    'trunkline_calls_total{vendor="proptt2",status="502"}': 1,
    'trunkline_hook_posts_total{status="202"}': 1,
    'trunkline_request_duration_seconds_bucket{kind="call",le="0.05"}': 1,
    'trunkline_request_duration_seconds_bucket{kind="call",le="5"}': 2,
    'trunkline_request_duration_seconds_bucket{kind="hook",le="25"}': 0,
    'trunkline_request_duration_seconds_bucket{kind="hook",le="+Inf"}': 1,
    'trunkline_request_duration_seconds_sum{kind="call"}': 3.03,
    'trunkline_request_duration_seconds_count{kind="call"}': 2,
    trunkline_log_errors_total: 1,
  });
});

test('runs, deliveries, sessions, ticks and routed events are counted', async () => {
  const metrics = new Metrics();
  metrics.note({ message: 'run started' });
  metrics.note({ message: 'run failed', state: 'partial', level: 'error' });
  metrics.noteDelivery('delivered');
  metrics.note({ tick: 'keep-sessions', ms: 1_500, kept: 3, renewed: 1, failed: 2 });
  metrics.note({ tick: 'poll-events', ms: 20, failed: 7 });
  metrics.note({ stream: 'route-events', items: 5, failed: 1 });
  metrics.note({ _aws: {}, clock: 'poll-events', OldestDue: 90_000 });
  metrics.note({ _aws: {}, clock: 'keep-sessions', KeepAliveGap: 121_000 });
  metrics.note({ _aws: {}, vendor: 'talk', SessionLocked: 1 });
  expect(series(await metrics.text(empty, {}, [], 0))).toMatchObject({
    trunkline_runs_started_total: 1,
    'trunkline_runs_ended_total{state="partial"}': 1,
    'trunkline_deliveries_ended_total{state="delivered"}': 1,
    'trunkline_sessions_kept_total{result="kept"}': 3,
    'trunkline_sessions_kept_total{result="failed"}': 2,
    'trunkline_tick_duration_seconds{clock="keep-sessions"}': 1.5,
    trunkline_events_routed_total: 5,
    trunkline_events_failed_total: 1,
    'trunkline_oldest_due_seconds{clock="poll-events"}': 90,
    trunkline_keepalive_gap_seconds: 121,
    'trunkline_sessions_locked_total{vendor="talk"}': 1,
  });
});

test('queues, health, usage and the stream are read when they are asked for', async () => {
  const now = Date.now();
  const checks = [
    { name: 'database', ok: true },
    { name: 'a "quoted"\nname', ok: false },
  ];
  const table = {
    get: async ({ sk }: { sk: string }) => (sk === 'report' ? { checks } : { sentAt: now - 42_000 }),
  } as unknown as Table;
  const queues = { 'deliver-event': { ...idle, running: 2, waiting: 7, oldestWaitingMs: 1_250 } };
  const month = { month: '2026-11', days: { '2026-11-03': 42 } };
  const quota = { limit: 100, percent: 42, reserved: false, resetsAt: '2026-12-01T00:00:00.000Z' };
  const usage = [{ vendor: 'timetonic', connection: 'demo', calls: 42, ...month, quota }];
  const found = series(await new Metrics().text(table, queues, usage, now));
  expect(found).toMatchObject({
    'trunkline_vendor_calls_month{vendor="timetonic",connection="demo"}': 42,
    'trunkline_vendor_quota_month{vendor="timetonic",connection="demo"}': 100,
    'trunkline_executions{function="deliver-event",state="waiting"}': 7,
    'trunkline_queue_age_seconds{function="deliver-event"}': 1.25,
    trunkline_event_stream_age_seconds: 42,
    'trunkline_health_check{check="database"}': 1,
    'trunkline_health_check{check="a \\"quoted\\"\\nname"}': 0,
  });
  expect(found.process_resident_memory_bytes).toBeGreaterThan(1e6);
});
