import { effect } from '@preact/signals';
import { type ComponentType, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { begin, may, signIn } from './api.ts';
import { Button } from './button.tsx';
import './console.css';
import { forgetAll } from './live.ts';
import { Status } from './pages/status.tsx';
import { Empty, Loading, Page, Toast } from './parts.tsx';
import { Link, path } from './router.tsx';
import { Shell } from './shell.tsx';
import { SignInPage } from './sign-in.tsx';
import { followStream } from './stream.ts';
import { applyTheme } from './theme.ts';

type PageComponent = ComponentType<{ params: readonly string[] }>;

interface Entry {
  pattern: RegExp;
  /** The area whose read scope the page needs. */
  area?: string;
  load: () => Promise<PageComponent>;
}

/** Every page except the first one: they are loaded when they are opened. */
const pages: readonly Entry[] = [
  { pattern: /^\/runs$/, area: 'runs', load: async () => (await import('./pages/runs.tsx')).Runs },
  { pattern: /^\/runs\/([^/]+)$/, load: async () => (await import('./pages/run.tsx')).RunPage },
  { pattern: /^\/events$/, area: 'events', load: async () => (await import('./pages/events.tsx')).Events },
  { pattern: /^\/events\/([^/]+)$/, area: 'events', load: async () => (await import('./pages/event.tsx')).EventPage },
  { pattern: /^\/hooks$/, area: 'hooks', load: async () => (await import('./pages/hooks.tsx')).Hooks },
  { pattern: /^\/hooks\/([^/]+)$/, area: 'hooks', load: async () => (await import('./pages/hook.tsx')).HookPage },
  {
    pattern: /^\/subscriptions$/,
    area: 'subscriptions',
    load: async () => (await import('./pages/subscriptions.tsx')).Subscriptions,
  },
  {
    pattern: /^\/subscriptions\/([^/]+)$/,
    area: 'subscriptions',
    load: async () => (await import('./pages/subscription.tsx')).SubscriptionPage,
  },
  { pattern: /^\/usage$/, area: 'connections', load: async () => (await import('./pages/usage.tsx')).UsagePage },
  { pattern: /^\/keys$/, area: 'keys', load: async () => (await import('./pages/keys.tsx')).Keys },
  {
    pattern: /^\/automations$/,
    area: 'automations',
    load: async () => (await import('./pages/automations.tsx')).Automations,
  },
  {
    pattern: /^\/automations\/([^/]+)$/,
    area: 'automations',
    load: async () => (await import('./pages/automation.tsx')).AutomationPage,
  },
  {
    pattern: /^\/schedules$/,
    area: 'automations',
    load: async () => (await import('./pages/schedules.tsx')).Schedules,
  },
  { pattern: /^\/people$/, area: 'connections', load: async () => (await import('./pages/people.tsx')).People },
  {
    pattern: /^\/recipes$/,
    area: 'automations',
    load: async () => (await import('./pages/recipes.tsx')).Recipes,
  },
  {
    pattern: /^\/recipes\/([^/]+)$/,
    area: 'automations',
    load: async () => (await import('./pages/recipe.tsx')).RecipePage,
  },
  {
    pattern: /^\/connections$/,
    area: 'connections',
    load: async () => (await import('./pages/connections.tsx')).Connections,
  },
  {
    pattern: /^\/connections\/([^/]+)\/([^/]+)$/,
    area: 'connections',
    load: async () => (await import('./pages/connection.tsx')).ConnectionPage,
  },
];

const pageAt = (at: string): Entry | undefined => pages.find(({ pattern }) => pattern.test(at));

function Current() {
  return path.value === '/' ? <Status /> : <Loaded at={path.value} />;
}

function Loaded({ at }: { at: string }) {
  const [shown, setShown] = useState<{ at: string; component: PageComponent | undefined; failed?: boolean }>();
  const entry = pageAt(at);
  useEffect(() => {
    let wanted = true;
    if (!entry) return undefined;
    entry.load().then(
      (component) => wanted && setShown({ at, component }),
      () => wanted && setShown({ at, component: undefined, failed: true }),
    );
    return () => {
      wanted = false;
    };
  }, [at, entry]);

  if (!entry) {
    return (
      <Page title="No such page">
        <Empty title="There is nothing at this address.">
          <Link to="/" class="button">
            Go to the status
          </Link>
        </Empty>
      </Page>
    );
  }
  if (entry.area && !may(entry.area, 'read')) {
    return (
      <Page title="Not for this key">
        <Empty title={`This key may not read ${entry.area}.`}>
          <p>
            It lacks the scope <code>trunkline/{entry.area}/read</code>. Sign out, and sign in with a key that has it.
          </p>
        </Empty>
      </Page>
    );
  }
  if (shown?.at !== at) return <Loading />;
  if (shown.failed || !shown.component) {
    return (
      <Page title="The page could not be loaded">
        <Empty title="Trunkline does not answer, or was upgraded meanwhile.">
          <Button onClick={() => location.reload()}>Load again</Button>
        </Empty>
      </Page>
    );
  }
  const Component = shown.component;
  return <Component params={entry.pattern.exec(at)?.slice(1).map(decodeURIComponent) ?? []} />;
}

function Console() {
  const who = signIn.value;
  if (who === undefined) return null;
  return (
    <>
      {who === null ? (
        <SignInPage />
      ) : (
        <Shell>
          <Current />
        </Shell>
      )}
      <Toast />
    </>
  );
}

applyTheme();
effect(() => {
  if (signIn.value === null) forgetAll();
});
followStream();
void begin();
// Meanwhile; a failure is shown when the page itself is loaded.
void pageAt(path.peek())
  ?.load()
  .catch(() => undefined);
const place = document.getElementById('console');
if (place) render(<Console />, place);
