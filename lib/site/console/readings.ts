/** The forms of the API's answers, as far as the console shows them. */

export type RunState = 'running' | 'succeeded' | 'partial' | 'failed' | 'skipped' | 'suppressed' | 'cancelled';

export interface Run {
  id: string;
  name: string;
  state: RunState;
  automationId?: string;
  eventId?: string;
  dedupeKey?: string;
  replayOf?: string;
  replayedBy?: string;
  undoOf?: string;
  /** It ran at simulated vendors. */
  drill?: boolean;
  reason?: string;
  /** Why a step of it waits. */
  waiting?: string;
  progress?: { done: number; total: number };
  createdAt: string;
  endedAt?: string;
}

export interface RunStep {
  name: string;
  call?: string;
  state: 'running' | 'succeeded' | 'failed' | 'unknown' | 'skipped' | 'waiting';
  attempts: number;
  index: number;
  kept?: boolean;
  input?: unknown;
  output?: unknown;
  error?: { code: string; message: string; retryable?: boolean };
  startedAt: string;
  endedAt?: string;
  nextAttemptAt?: string;
}

export interface WholeRun extends Run {
  steps: RunStep[];
  /** Whether a step that succeeded can be taken back. */
  undoable?: boolean;
}

/** A run that was to raise an alarm, with its response times. */
export interface Alarm {
  runId: string;
  name: string;
  automationId?: string;
  call: string;
  state: 'raised' | 'raising' | 'unknown' | 'failed';
  postedAt: string;
  raisedAt?: string;
  acknowledgedAt?: string;
  reason?: string;
}

export interface EventSourceStatus {
  source: string;
  state: 'waiting' | 'polling' | 'failing' | 'resting' | 'off';
  message: string;
  polledAt?: string;
  nextPollAt?: string;
  failures: number;
}

export interface Connection {
  id: string;
  vendor: string;
  name: string;
  settings: Record<string, unknown>;
  credentials: string[];
  session: {
    state: 'none' | 'live' | 'locked';
    generation?: number;
    liveSince?: string;
    keptAliveAt?: string;
    nextKeepAliveAt?: string;
    expiresAt?: string;
    lazy?: boolean;
    serverVersion?: string;
    reason?: string;
  };
  events?: EventSourceStatus[];
  createdAt: string;
  updatedAt: string;
}

export interface Finding {
  subject: string;
  state: 'good' | 'warning' | 'bad';
  message: string;
}

export interface Hook {
  id: string;
  name: string;
  verify: { kind: string; vendor?: string; connection?: string };
  perMinute: number;
  silentAfterSeconds?: number;
  received: number;
  repeated: number;
  refused: number;
  lastReceivedAt?: string;
  lastBody?: string;
  lastProblem?: string;
  lastRefusal?: { at: string; status: number; reason: string };
  createdAt: string;
  updatedAt: string;
}

export interface TrunklineEvent {
  id: string;
  type: string;
  timestamp: string;
  vendor: string;
  connection: string;
  data: Record<string, unknown>;
}

export interface Trigger {
  hook?: string;
  event?: string;
  connection?: string;
  schedule?: Record<string, unknown>;
}

export interface Automation {
  id: string;
  name: string;
  enabled: boolean;
  when: Trigger | Trigger[];
  if?: string;
  do: { name?: string; call?: string; wait?: unknown; waitFor?: unknown }[];
  /** Whether any of its steps raises an alarm. */
  alarm?: boolean;
  nextRunAt?: string;
  lastRun?: { id: string; state: RunState; at?: string; createdAt?: string };
  createdAt: string;
  updatedAt: string;
}

export interface Pause {
  paused: boolean;
  since?: string;
  by?: string;
  reason?: string;
  waiting: { runs: number; deliveries: number };
}

export interface Subscription {
  id: string;
  url: string;
  types: string[];
  connection?: string;
  filter?: string;
  description?: string;
  state: 'active' | 'paused' | 'disabled' | 'gone';
  reason?: string;
  failingSince?: string;
  createdAt: string;
}

export interface Delivery {
  id: string;
  subscriptionId: string;
  eventId: string;
  eventType: string;
  state: 'pending' | 'retrying' | 'delivered' | 'given_up' | 'cancelled';
  reason?: string;
  attempts: { number: number; at: string; ms: number; status?: number; excerpt?: string; error?: string }[];
  nextAttemptAt?: string;
  createdAt: string;
}

/** The calls over one connection in one month. */
export interface Usage {
  id: string;
  vendor: string;
  connection: string;
  /** `2026-11` */
  month: string;
  calls: number;
  days: { date: string; calls: number }[];
  quota?: { limit: number; percent: number; reserved: boolean; resetsAt: string };
}

/** One value that a field may take. */
export interface Choice {
  id: string | number;
  name: string;
  detail?: string;
  /** Values that it gives other fields. */
  with?: Record<string, string | number>;
}

export interface RecipeInput {
  title: string;
  type: 'text' | 'number' | 'boolean' | 'list';
  choices?: string;
  /** The part of a choice that is the value; the id unless it is given. */
  pick?: 'id' | 'name' | 'detail';
  default?: unknown;
}

export interface Recipe {
  name: string;
  title: string;
  summary: string;
  requirements: string[];
  inputs: Record<string, RecipeInput>;
}
