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
  reason?: string;
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
}

export interface EventSourceStatus {
  source: string;
  lookedAt?: string;
  nextLookAt?: string;
  failures: number;
  problem?: string;
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
