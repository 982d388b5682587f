import { useState } from 'preact/hooks';
import { resume, signInProblem, signInWith } from './api.ts';
import { Notice, useAction } from './parts.tsx';

/** Asks for a key. It is exchanged for a cookie and not kept in the page. */
export function SignInPage() {
  const [key, setKey] = useState('');
  const action = useAction();
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(() => signInWith(key.trim()));
        }}
      >
        <Wordmark />
        <h1>Sign in</h1>
        <p class="muted">
          Paste a key of this installation. What you see and may do is what the key may do. The sign-in ends after
          twelve hours.
        </p>
        <Notice problem={signInProblem.value} onRetry={() => void resume()} />
        <label for="key">Key</label>
        <input
          id="key"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          placeholder="tl_…"
          required
          // biome-ignore lint/a11y/noAutofocus: the field is all there is on the page
          autoFocus
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <Notice problem={action.problem} />
        <button type="submit" class="button primary" disabled={action.busy || key.trim() === ''}>
          {action.busy ? 'Signing in…' : 'Sign in'}
        </button>
        <p class="muted small">
          On your own machine, <code>npm start</code> prints a link that signs in without a key. On AWS, the deployment
          prints the command that shows the admin key.
        </p>
      </form>
    </main>
  );
}

export function Wordmark() {
  return (
    <span class="wordmark">
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="3" cy="8" r="2.5" />
        <circle cx="13" cy="3.5" r="2" />
        <circle cx="13" cy="12.5" r="2" />
        <path d="M3 8h5m5-4.5H8v9h5" />
      </svg>
      Trunkline
    </span>
  );
}
