import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Problem } from './api.ts';
import { Button } from './button.tsx';
import { Icon, type IconName } from './icons.tsx';
import { Link } from './router.tsx';
import { ago, fullTime, moment } from './time.ts';

/** The severity of something; each has its own colour and shape. */
export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'idle' | 'same';

export function Mark({ tone, large }: { tone: Tone; large?: boolean }) {
  return <Icon name={tone} class={`mark ${tone}${large ? ' large' : ''}`} />;
}

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`}>
      <Mark tone={tone} />
      {children}
    </span>
  );
}

interface PageProps {
  title: string;
  /** A sentence below the title. */
  lead?: ComponentChildren;
  back?: { to: string; name: string };
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, lead, back, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Trunkline`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <div>
          {back && (
            <Link to={back.to} class="back">
              <Icon name="chevron" class="flip" />
              {back.name}
            </Link>
          )}
          <h1>{title}</h1>
          {lead && <p class="lead">{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Section({
  title,
  count,
  actions,
  children,
}: {
  title: string;
  count?: number | undefined;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  const id = useId();
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>
          {title}
          {count !== undefined && <span class="count">{count}</span>}
        </h2>
        {actions}
      </div>
      {children}
    </section>
  );
}

/** Shown where there is nothing yet: why, and the next step. */
export function Empty({ title, children, icon }: { title: string; children?: ComponentChildren; icon?: IconName }) {
  return (
    <div class="empty">
      {icon && <Icon name={icon} />}
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading({ rows = 3 }: { rows?: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        <div key={at} />
      ))}
    </div>
  );
}

/** What went wrong and what to do about it. */
export function Notice({ problem, onRetry }: { problem: Problem | undefined; onRetry?: () => void }) {
  if (!problem) return null;
  // The message repeats the first error.
  const isList = problem.errors.length > 1;
  return (
    <div class="notice bad" role="alert">
      <Mark tone="bad" />
      <div>
        <p>{isList ? `${problem.message.split(`: ${problem.errors[0]?.pointer}`)[0]}:` : problem.message}</p>
        {isList && (
          <ul>
            {problem.errors.map(({ pointer, message }) => (
              <li key={pointer}>
                <code>{pointer || 'body'}</code> {message}
              </li>
            ))}
          </ul>
        )}
        {problem.status === 403 && <p class="muted">Sign in with a key that has this scope to see it.</p>}
      </div>
      {onRetry && (
        <Button small onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** A time for people: how long ago by default, the moment where `exact`; both zones in the tooltip. */
export function Time({ iso, exact }: { iso: string | undefined; exact?: boolean }) {
  if (iso === undefined) return null;
  return (
    <time dateTime={iso} title={fullTime(iso)}>
      {exact ? moment(iso) : ago(iso)}
    </time>
  );
}

/** The moment and how long ago it was. */
export function When({ iso }: { iso: string | undefined }) {
  if (iso === undefined) return null;
  return (
    <>
      <Time iso={iso} exact /> · <Time iso={iso} />
    </>
  );
}

/** The text of a value, indented; large values are folded. */
export function Json({ value, open = true, label }: { value: unknown; open?: boolean; label: string }) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  if (text === undefined) return null;
  return (
    <details class="json" open={open}>
      <summary>{label}</summary>
      <div class="json-body">
        <Copy text={text} label={`Copy ${label.toLowerCase()}`} />
        {/* Scrolls sideways, so the keyboard must reach it. */}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region takes the focus */}
        <pre tabIndex={0}>
          {text.length > 60_000 ? `${text.slice(0, 60_000)}\n… ${text.length - 60_000} more` : text}
        </pre>
      </div>
    </details>
  );
}

/** Copies a text; where the browser does not allow that (plain http elsewhere than on this machine), it says so. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      setSaid('Select the text and copy it');
    }
    setTimeout(() => setSaid(''), 2000);
  };
  return (
    <button type="button" class="icon-button copy" onClick={copy} aria-label={label} title={label}>
      {said === '' ? <Icon name="copy" /> : <span role="status">{said}</span>}
    </button>
  );
}

/** A text that is shown once, or that is to be copied. */
export function CopyField({ value, label }: { value: string; label: string }) {
  const id = useId();
  return (
    <div class="copy-field">
      <label for={id}>{label}</label>
      <div>
        <input id={id} readOnly value={value} onFocus={(event) => event.currentTarget.select()} />
        <Copy text={value} label={`Copy ${label}`} />
      </div>
    </div>
  );
}

/** Something that a button starts; it learns whether its page or dialog is still there. */
export type Work = (isShown: () => boolean) => Promise<void>;

/** `run` tells whether the work succeeded. */
export interface Action {
  busy: boolean;
  problem: Problem | undefined;
  run: (work: Work) => Promise<boolean>;
}

/** Does something that takes a while: disabled meanwhile, and it keeps what went wrong. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>();
  const isShown = useRef(true);
  useEffect(
    () => () => {
      isShown.current = false;
    },
    [],
  );
  return {
    busy,
    problem,
    run: async (work) => {
      setBusy(true);
      setProblem(undefined);
      try {
        await work(() => isShown.current);
        return true;
      } catch (error) {
        const failure = error instanceof Problem ? error : new Problem(0, 'unknown', String(error));
        setProblem(failure);
        // Nobody sees it where the dialog was closed or the page left meanwhile.
        if (!isShown.current) say(`That failed: ${failure.message}`, failureShownMs);
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}

/** How much of long work is done, with words for it. */
export function Progress({ done, total, words }: { done: number; total: number; words: string }) {
  const id = useId();
  return (
    <div class="progress">
      <label for={id}>{words}</label>
      <progress id={id} max={total} value={done} />
    </div>
  );
}

/** How long a failure is shown that has no place on the page any more, in milliseconds. */
const failureShownMs = 30_000;

const toast = signal<{ text: string; id: number } | undefined>(undefined);
let toasts = 0;

/** Says for some seconds, at the edge of the page, what was done. */
export function say(text: string, forMs = 5_000): void {
  const id = ++toasts;
  toast.value = { text, id };
  setTimeout(() => {
    if (toast.peek()?.id === id) toast.value = undefined;
  }, forMs);
}

export function Toast() {
  return (
    <div class="toast" role="status" aria-live="polite">
      {toast.value && <p>{toast.value.text}</p>}
    </div>
  );
}
