import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';

const root = '/console';

const here = () => location.pathname.slice(root.length).replace(/\/+$/, '') || '/';

/** Where the console is, below `/console`, and its query. */
export const path = signal(here());
export const query = signal(new URLSearchParams(location.search));

function moved(): void {
  path.value = here();
  query.value = new URLSearchParams(location.search);
}

addEventListener('popstate', moved);

/** Navigates to a page, scrolls to its top and moves the focus to it. */
export function go(to: string): void {
  history.pushState(null, '', `${root}${to === '/' ? '' : to}`);
  moved();
  scrollTo(0, 0);
  document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
}

/** Changes the query of the page without a new entry in the history. Empty values are omitted. */
export function setQuery(change: Record<string, string | undefined>): void {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined || value === '') next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history.replaceState(null, '', `${location.pathname}${text === '' ? '' : `?${text}`}`);
  moved();
}

interface LinkProps {
  to: string;
  class?: string;
  current?: boolean;
  title?: string;
  children: ComponentChildren;
}

/** A link within the console. */
export function Link({ to, current, ...rest }: LinkProps) {
  const onClick = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a
      href={`${root}${to === '/' ? '' : to}`}
      onClick={onClick}
      aria-current={current ? 'page' : undefined}
      {...rest}
    />
  );
}
