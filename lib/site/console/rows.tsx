import { type ComponentChildren, Fragment } from 'preact';
import { Button } from './button.tsx';
import type { Live } from './live.ts';
import { Empty, Loading, Mark, Notice, Page, type Tone, useAction } from './parts.tsx';
import { Link } from './router.tsx';
import { localTime } from './time.ts';

interface RowProps {
  tone?: Tone | undefined;
  /** Where the row leads. With `actions` or `children`, only the title is the link. */
  to?: string | undefined;
  title: ComponentChildren;
  /** Further lines; those that are falsy are omitted. */
  text?: ComponentChildren | readonly ComponentChildren[];
  /** Right-aligned lines. */
  side?: readonly ComponentChildren[];
  mono?: boolean;
  actions?: ComponentChildren;
  /** Below the text. */
  children?: ComponentChildren;
}

/** One line of a list: its state, a title, what is to be said about it, and what can be done. */
export function Row({ tone, to, title, text, side = [], mono, actions, children }: RowProps) {
  const isLink = to !== undefined && !actions && !children;
  const name = `row-title${mono ? ' mono' : ''}`;
  const inside = (
    <>
      {tone && <Mark tone={tone} />}
      <span class="row-main">
        {to !== undefined && !isLink ? (
          <Link to={to} class={name}>
            {title}
          </Link>
        ) : (
          <span class={name}>{title}</span>
        )}
        {(Array.isArray(text) ? text : [text]).filter(Boolean).map((line, at) => (
          <span key={at} class="row-text">
            {line}
          </span>
        ))}
        {children}
      </span>
      {side.some(Boolean) && (
        <span class="row-side">
          {side.filter(Boolean).map((line, at) => (
            <span key={at} class={at > 0 ? 'muted' : ''}>
              {line}
            </span>
          ))}
        </span>
      )}
      {actions && <span class="actions">{actions}</span>}
    </>
  );
  return (
    <li class={`row ${tone ?? ''}`}>{isLink ? <Link to={to}>{inside}</Link> : <div class="row-in">{inside}</div>}</li>
  );
}

interface ListProps<T> {
  live: Live<readonly T[]>;
  /** Shown in place of an empty list. */
  empty: ComponentChildren;
  /** The number of lines to expect. */
  loading?: number;
  label?: string;
  /** The look of the list. */
  list?: 'rows' | 'cards';
  children: (item: T) => ComponentChildren;
}

/** A list that is read from the API: loading, failed, empty or shown, with a button for older items where there are any. */
export function LiveList<T>({ live, empty, loading = 4, label, list = 'rows', children }: ListProps<T>) {
  const { data, problem, reload, older, olderItems } = live;
  const action = useAction();
  const olderFrom = olderItems ? (data ?? []).findIndex((item) => olderItems.items.has(item)) : -1;
  return (
    <>
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={loading} />}
      {data?.length === 0 && empty}
      {data && data.length > 0 && (
        <ul class={list} aria-label={label}>
          {data.map((item, at) =>
            at === olderFrom && olderItems ? (
              <Fragment key="older">
                <li class="row as-of">
                  <div class="row-in muted">Below as of {localTime(olderItems.readAt)}; it is read once a minute.</div>
                </li>
                {children(item)}
              </Fragment>
            ) : (
              children(item)
            ),
          )}
        </ul>
      )}
      <Notice problem={action.problem} />
      {older && (
        <div class="more-row">
          <Button disabled={action.busy} onClick={() => void action.run(older)}>
            {action.busy ? 'Loading…' : 'Show older'}
          </Button>
        </div>
      )}
    </>
  );
}

interface ItemProps<T> {
  live: Live<T>;
  /** The page while there is no item. */
  title: string;
  back: { to: string; name: string };
  missing: ComponentChildren;
  children: (item: T) => ComponentChildren;
}

/** A page about one thing that is read from the API: loading, failed, missing or shown. */
export function LiveItem<T>({ live: { data, problem, reload }, title, back, missing, children }: ItemProps<T>) {
  if (data && problem?.status !== 404) {
    return (
      <>
        <Notice problem={problem} onRetry={() => void reload()} />
        {children(data)}
      </>
    );
  }
  return (
    <Page title={title} back={back}>
      {problem?.status === 404 ? (
        <Empty title={`There is no such ${title.toLowerCase()}.`}>{missing}</Empty>
      ) : problem ? (
        <Notice problem={problem} onRetry={() => void reload()} />
      ) : (
        <Loading rows={4} />
      )}
    </Page>
  );
}

/** The state of one thing, large, at the top of its page. */
export function Verdict({ tone, word, children }: { tone: Tone; word: string; children?: ComponentChildren }) {
  return (
    <div class={`verdict ${tone}`}>
      <Mark tone={tone} large />
      <div>
        <p class="verdict-word">{word}</p>
        {children}
      </div>
    </div>
  );
}

interface FactProps {
  name: string;
  mono?: boolean;
  /** Takes a line of its own. */
  wide?: boolean;
  children: ComponentChildren;
}

export function Fact({ name, mono, wide, children }: FactProps) {
  if (children === undefined || children === null || children === false || children === '') return null;
  return (
    <div class={wide ? 'wide' : ''}>
      <dt>{name}</dt>
      <dd class={mono ? 'mono small' : ''}>{children}</dd>
    </div>
  );
}
