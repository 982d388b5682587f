import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { may, signIn, signOut } from './api.ts';
import { Icon, type IconName } from './icons.tsx';
import { connected, lastReadAt } from './live.ts';
import { say } from './parts.tsx';
import { PauseBanner, PauseButton } from './pause.tsx';
import { Link, path } from './router.tsx';
import { Wordmark } from './sign-in.tsx';
import { nextTheme, theme } from './theme.ts';
import { localTime, now, span, utcTime, zoneName } from './time.ts';

interface Place {
  to: string;
  name: string;
  icon: IconName;
  area?: string;
  /** Other places that belong to it. */
  also?: readonly string[];
}

const places: readonly Place[] = [
  { to: '/', name: 'Status', icon: 'status' },
  { to: '/runs', name: 'Runs', icon: 'runs', area: 'runs' },
  { to: '/events', name: 'Events', icon: 'events', area: 'events' },
  { to: '/hooks', name: 'Hooks', icon: 'hooks', area: 'hooks' },
  {
    to: '/automations',
    also: ['/recipes', '/schedules'],
    name: 'Automations',
    icon: 'automations',
    area: 'automations',
  },
  { to: '/connections', name: 'Connections', icon: 'connections', area: 'connections' },
  { to: '/people', name: 'People', icon: 'people', area: 'connections' },
  { to: '/subscriptions', name: 'Subscriptions', icon: 'deliveries', area: 'subscriptions' },
  { to: '/usage', name: 'Calls and quotas', icon: 'usage', area: 'connections' },
  { to: '/keys', name: 'Keys and audit', icon: 'keys', area: 'keys' },
];
/** How many links fit at the bottom of a phone before the rest is collapsed. */
const phonePlaces = 4;

const isBelow = (to: string) => path.value === to || (to !== '/' && path.value.startsWith(`${to}/`));
const isHere = ({ to, also = [] }: Place) => [to, ...also].some(isBelow);

/** The frame around every page: the navigation, whether the data is current, and the switch that pauses all sending. */
export function Shell({ children }: { children: ComponentChildren }) {
  const shown = places.filter(({ area }) => area === undefined || may(area, 'read'));
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="bar">
        <Link to="/" class="home" title="Status">
          <Wordmark />
        </Link>
        <Clock />
        <Freshness />
        <div class="bar-end">
          <PauseButton />
          <button
            type="button"
            class="icon-button"
            onClick={nextTheme}
            aria-label={`Colours: ${theme.value}. Change.`}
            title={`Colours: ${theme.value}`}
          >
            <Icon name="theme" />
          </button>
          <button
            type="button"
            class="icon-button"
            onClick={() =>
              void signOut().catch(() => say('You are still signed in: Trunkline did not answer. Try again.'))
            }
            aria-label={`Sign out ${signIn.value?.name ?? ''}`}
            title={`Signed in with “${signIn.value?.name ?? ''}”. Sign out.`}
          >
            <Icon name="out" />
          </button>
        </div>
      </header>
      <Navigation places={shown} />
      <main id="main" tabIndex={-1}>
        <PauseBanner />
        {children}
      </main>
    </div>
  );
}

function Navigation({ places: shown }: { places: readonly Place[] }) {
  const [open, setOpen] = useState(false);
  const folded = shown.slice(phonePlaces);
  const away = folded.some(isHere);
  return (
    <nav class={`nav ${open ? 'open' : ''}`} aria-label="Pages">
      <ul>
        {shown.map((place, at) => (
          // Any click in here leads to a page, which closes the collapsed part.
          // biome-ignore lint/a11y/useKeyWithClickEvents: the link inside takes the keyboard
          <li key={place.to} class={at >= phonePlaces ? 'folded' : ''} onClick={() => setOpen(false)}>
            <Link to={place.to} current={isHere(place)}>
              <Icon name={place.icon} />
              <span>{place.name}</span>
            </Link>
          </li>
        ))}
        {folded.length > 0 && (
          <li class="unfold">
            <button type="button" aria-expanded={open} class={away ? 'here' : ''} onClick={() => setOpen(!open)}>
              <Icon name="more" />
              <span>More</span>
            </button>
          </li>
        )}
      </ul>
      <a class="docs" href="/docs" target="_blank" rel="noreferrer">
        API reference
      </a>
    </nav>
  );
}

function Clock() {
  const time = now.value;
  return (
    <p class="clock">
      <span>
        {localTime(time)} <abbr title="Local time">{zoneName(time)}</abbr>
      </span>
      {utcTime(time) !== localTime(time) && (
        <span class="utc">
          {utcTime(time)} <abbr title="Coordinated Universal Time">UTC</abbr>
        </span>
      )}
    </p>
  );
}

/** Shows when the data may be stale. */
function Freshness() {
  const at = lastReadAt.value;
  if (connected.value) return <p class="fresh good">Live</p>;
  return (
    <p class="fresh bad" role="alert">
      No answer{at === undefined ? '' : ` for ${span(Math.max(1000, now.value - at)).replace('.0', '')}`}. Trying again…
    </p>
  );
}
