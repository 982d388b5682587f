import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LogLine } from '../lib/aws/log.ts';
import type { Usage } from '../lib/aws/metrics-function.ts';
import { keys } from '../lib/store/items.ts';
import type { Table } from '../lib/store/table.ts';
import { vendorNames } from '../lib/vendors/index.ts';
import type { QueueState } from './runtime/execution-queue.ts';

type Labels = Readonly<Record<string, string>>;
type Kind = 'counter' | 'gauge' | 'histogram';

/** One time series of a family. */
interface Series {
  value: number;
}

/** One metric family in Prometheus' sense. */
interface Family {
  kind: Kind;
  help: string;
  /** By the text of the labels. */
  series: Map<string, Series>;
}

/** The series that a request with a certain kind, vendor and status adds to. */
interface RequestSeries {
  counters: Series[];
  buckets: { upTo: number; series: Series }[];
  sum: Series;
}

/** Upper bounds of the request durations, in seconds. */
const buckets = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, Number.POSITIVE_INFINITY];

const families: Readonly<Record<string, readonly [Kind, string]>> = {
  trunkline_requests_total: ['counter', 'Answered HTTP requests by kind (call, control, hook, other) and status'],
  trunkline_request_duration_seconds: ['histogram', 'Time to answer an HTTP request, by kind'],
  trunkline_calls_total: ['counter', 'Calls of an operation, by vendor and status'],
  trunkline_vendor_calls_month: ['gauge', 'Requests to a vendor in the current month, by vendor and connection'],
  trunkline_vendor_quota_month: ['gauge', 'Requests that a connection may make a month (`monthlyCalls`)'],
  trunkline_hook_posts_total: ['counter', 'Requests to hooks, by status'],
  trunkline_runs_started_total: ['counter', 'Runs of automations that were started'],
  trunkline_runs_ended_total: ['counter', 'Runs that ended, by state'],
  trunkline_deliveries_ended_total: ['counter', 'Deliveries that ended, by state'],
  trunkline_executions: [
    'gauge',
    'Runs and deliveries by function and state: running, waiting for a place, resting until a time',
  ],
  trunkline_queue_age_seconds: ['gauge', 'How long the oldest execution has waited for a place, by function'],
  trunkline_events_routed_total: ['counter', 'Events read from the stream of the table'],
  trunkline_events_failed_total: ['counter', 'Events whose routing is repeated'],
  trunkline_event_stream_age_seconds: ['gauge', 'Age of the last probe that came through the stream of the table'],
  trunkline_sessions_kept_total: ['counter', 'Keepalives by result: kept, renewed, failed'],
  trunkline_sessions_locked_total: [
    'counter',
    'Sessions that were locked because the credentials are refused, by vendor',
  ],
  trunkline_keepalive_gap_seconds: [
    'gauge',
    'The longest that a due session had gone without a keepalive at the last tick',
  ],
  trunkline_oldest_due_seconds: ['gauge', 'How late the oldest due item was at the last tick, by clock'],
  trunkline_tick_duration_seconds: ['gauge', 'Time that the last tick took, by clock'],
  trunkline_health_check: ['gauge', 'Whether a check of /health holds: 1 or 0'],
  trunkline_log_errors_total: ['counter', 'Lines of the log with the level error'],
  process_resident_memory_bytes: ['gauge', 'Resident memory'],
  process_heap_bytes: ['gauge', 'Memory that JavaScript objects use'],
  process_cpu_seconds_total: ['counter', 'Processor time'],
  process_start_time_seconds: ['gauge', 'Start of the process, in seconds since the epoch'],
  process_event_loop_lag_seconds: ['gauge', 'The 99th percentile of the lag of the event loop since the last scrape'],
};

/** What the local product counts, from the lines of its log and from its queues, in the text format of Prometheus. */
export class Metrics {
  readonly #families = new Map<string, Family>();
  readonly #requests = new Map<string, RequestSeries>();
  readonly #lag = monitorEventLoopDelay({ resolution: 20 });
  readonly #startedAt = Date.now() / 1000;

  constructor() {
    for (const [name, [kind, help]] of Object.entries(families)) {
      this.#families.set(name, { kind, help, series: new Map() });
    }
    this.#lag.enable();
  }

  /** Updates the metrics that a log line contributes to. */
  note(line: LogLine): void {
    if (line.level === 'error') this.#add('trunkline_log_errors_total');
    if (typeof line.path === 'string' && typeof line.status === 'number') this.#noteRequest(line.path, line);
    if (line.message === 'run started') this.#add('trunkline_runs_started_total');
    if (line.message === 'run ended' || line.message === 'run failed') {
      this.#add('trunkline_runs_ended_total', { state: String(line.state) });
    }
    if (typeof line.tick === 'string') this.#noteTick(line.tick, line);
    if (line.stream !== undefined && typeof line.items === 'number') {
      this.#add('trunkline_events_routed_total', {}, line.items);
      this.#add('trunkline_events_failed_total', {}, Number(line.failed));
    }
    if (line._aws !== undefined) this.#noteSignal(line);
  }

  /** Counts a delivery that has ended. */
  noteDelivery(state: string): void {
    this.#add('trunkline_deliveries_ended_total', { state });
  }

  /** Everything as text. `queues` are those of the executions. */
  async text(
    table: Table,
    queues: Readonly<Record<string, QueueState>>,
    usage: readonly Usage[],
    now: number,
  ): Promise<string> {
    for (const name of ['trunkline_vendor_calls_month', 'trunkline_vendor_quota_month'])
      this.#families.get(name)?.series.clear();
    for (const { vendor, connection, calls, quota } of usage) {
      this.#set('trunkline_vendor_calls_month', { vendor, connection }, calls);
      if (quota) this.#set('trunkline_vendor_quota_month', { vendor, connection }, quota.limit);
    }
    for (const [name, { running, waiting, resting, oldestWaitingMs }] of Object.entries(queues)) {
      for (const [state, count] of Object.entries({ running, waiting, resting })) {
        this.#set('trunkline_executions', { function: name, state }, count);
      }
      this.#set('trunkline_queue_age_seconds', { function: name }, oldestWaitingMs / 1000);
    }
    const [probe, health] = await Promise.all([
      table.get<{ pk: string; sk: string; sentAt: number }>(keys.streamProbe()),
      table.get<{ pk: string; sk: string; checks: { name: string; ok: boolean }[] }>(keys.health()),
    ]);
    if (probe) this.#set('trunkline_event_stream_age_seconds', {}, (now - probe.sentAt) / 1000);
    for (const { name, ok } of health?.checks ?? []) this.#set('trunkline_health_check', { check: name }, ok ? 1 : 0);
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    this.#set('process_resident_memory_bytes', {}, rss);
    this.#set('process_heap_bytes', {}, heapUsed);
    this.#set('process_cpu_seconds_total', {}, (user + system) / 1e6);
    this.#set('process_start_time_seconds', {}, this.#startedAt);
    this.#set('process_event_loop_lag_seconds', {}, this.#lag.percentile(99) / 1e9);
    this.#lag.reset();
    return [...this.#families].map(([name, family]) => familyText(name, family)).join('');
  }

  #noteRequest(path: string, { status, ms }: LogLine): void {
    const [, first, second = ''] = path.split('/', 3);
    const vendor = first === 'v1' && vendorNames.includes(second) ? second : undefined;
    const kind = vendor !== undefined ? 'call' : first === 'v1' ? 'control' : first === 'hooks' ? 'hook' : 'other';
    const request = this.#requestSeries(kind, vendor, String(status));
    const seconds = Number(ms) / 1000;
    for (const each of request.counters) each.value++;
    for (const { upTo, series } of request.buckets) if (seconds <= upTo) series.value++;
    request.sum.value += seconds;
  }

  /** Looked up once per kind, vendor and status, because the text of labels costs more than all else that is done for a request here. */
  #requestSeries(kind: string, vendor: string | undefined, status: string): RequestSeries {
    const id = `${vendor ?? kind} ${status}`;
    const known = this.#requests.get(id);
    if (known) return known;
    const name = 'trunkline_request_duration_seconds';
    const counters = [
      this.#series('trunkline_requests_total', { kind, status }),
      this.#series(name, { part: 'count', kind }),
    ];
    if (vendor !== undefined) counters.push(this.#series('trunkline_calls_total', { vendor, status }));
    if (kind === 'hook') counters.push(this.#series('trunkline_hook_posts_total', { status }));
    const fresh = {
      counters,
      buckets: buckets.map((upTo) => ({
        upTo,
        series: this.#series(name, { part: 'bucket', kind, le: Number.isFinite(upTo) ? String(upTo) : '+Inf' }),
      })),
      sum: this.#series(name, { part: 'sum', kind }),
    };
    this.#requests.set(id, fresh);
    return fresh;
  }

  #noteTick(clock: string, line: LogLine): void {
    if (typeof line.ms === 'number') this.#set('trunkline_tick_duration_seconds', { clock }, line.ms / 1000);
    if (clock !== 'keep-sessions') return;
    for (const result of ['kept', 'renewed', 'failed']) {
      if (typeof line[result] === 'number') this.#add('trunkline_sessions_kept_total', { result }, line[result]);
    }
  }

  /** A metric in CloudWatch's embedded format. */
  #noteSignal(line: LogLine): void {
    const { clock, vendor } = line;
    if (typeof line.KeepAliveGap === 'number') {
      this.#set('trunkline_keepalive_gap_seconds', {}, line.KeepAliveGap / 1000);
    }
    if (typeof line.OldestDue === 'number') {
      this.#set('trunkline_oldest_due_seconds', { clock: String(clock) }, line.OldestDue / 1000);
    }
    if (typeof line.SessionLocked === 'number') {
      this.#add('trunkline_sessions_locked_total', { vendor: String(vendor) }, line.SessionLocked);
    }
  }

  #add(name: string, labels: Labels = {}, by = 1): void {
    this.#series(name, labels).value += by;
  }

  #set(name: string, labels: Labels, value: number): void {
    this.#series(name, labels).value = value;
  }

  #series(name: string, labels: Labels): Series {
    const family = this.#families.get(name);
    if (family === undefined) throw new Error(`${name} is not declared`);
    const key = labelText(labels);
    const known = family.series.get(key);
    if (known) return known;
    const fresh = { value: 0 };
    family.series.set(key, fresh);
    return fresh;
  }
}

/** `part` is the suffix of a histogram's line and no label. */
function labelText({ part, ...labels }: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `${part === undefined ? '' : `_${part}`}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
}

function familyText(name: string, { kind, help, series }: Family): string {
  const lines = [...series].map(([labels, { value }]) => `${name}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join('')}`;
}
