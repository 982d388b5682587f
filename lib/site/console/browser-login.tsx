import { useEffect, useState } from 'preact/hooks';
import { call, Problem } from './api.ts';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { Mark, Notice, useAction } from './parts.tsx';
import { now, until } from './time.ts';
import { vendorTitle } from './words.ts';

interface Login {
  state: 'waiting' | 'done' | 'expired';
  url?: string;
  login?: string;
  expiresAt?: string;
}

interface LoginProps {
  vendor: string;
  name: string;
  /** The settings of a connection that does not exist yet. */
  settings?: Record<string, unknown>;
  credentials?: Record<string, unknown>;
  onDone: () => void;
  onClose: () => void;
}

/** How often it is asked whether access was granted, in milliseconds. */
const askEveryMs = 2_000;

/** True for an answer that ends a login: the vendor's grant was refused, and asking again would not change that. */
function isRefusal(result: unknown): result is Problem {
  return result instanceof Problem && result.status >= 400 && result.status < 500 && result.status !== 429;
}

/** A login that a person completes at the vendor, in another tab. */
export function BrowserLogin({ vendor, name, settings, credentials, onDone, onClose }: LoginProps) {
  const [started, setStarted] = useState<Login>();
  const [ended, setEnded] = useState<'expired' | Problem>();
  const action = useAction();
  const path = `/v1/connections/${vendor}/${name}/login`;
  const begin = () =>
    action.run(async () => {
      setEnded(undefined);
      setStarted(undefined);
      const given = credentials && Object.keys(credentials).length > 0;
      setStarted(await call<Login>('POST', path, { ...(settings && { settings }), ...(given && { credentials }) }));
    });
  useEffect(() => {
    void begin();
  }, []);
  useEffect(() => {
    if (started?.login === undefined || ended) return undefined;
    const { login } = started;
    let timer: ReturnType<typeof setTimeout>;
    let wanted = true;
    const ask = async () => {
      const result = await call<Login>('POST', path, { login }).catch((error: unknown) => error);
      if (!wanted) return;
      if (isRefusal(result)) return setEnded(result);
      // Anything else that goes wrong passes: the login waits on.
      const state = result instanceof Error ? 'waiting' : (result as Login).state;
      if (state === 'done') onDone();
      else if (state === 'expired') setEnded('expired');
      else timer = setTimeout(() => void ask(), askEveryMs);
    };
    timer = setTimeout(() => void ask(), askEveryMs);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [started, ended]);
  const isOver = ended || (started?.expiresAt !== undefined && Date.parse(started.expiresAt) < now.value);
  return (
    <Dialog title={`Log in to ${vendorTitle(vendor)}`} onClose={onClose}>
      <div>
        <Notice problem={ended instanceof Problem ? ended : action.problem} />
        {started?.url && !isOver && (
          <>
            <p>Open the vendor’s page, log in there and grant access. This page detects it automatically.</p>
            <p class="notice busy" role="status">
              <Mark tone="busy" />
              <span>
                Waiting for you to grant access{started.expiresAt && `; the link expires ${until(started.expiresAt)}`}.
              </span>
            </p>
          </>
        )}
        {isOver && !(ended instanceof Problem) && <p class="notice warn">The link has expired. Begin again.</p>}
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          {started?.url && !isOver ? (
            <a class="button primary" href={started.url} target="_blank" rel="noreferrer">
              Open the login page
            </a>
          ) : (
            <Button primary disabled={action.busy} onClick={() => void begin()}>
              Begin again
            </Button>
          )}
        </div>
      </div>
    </Dialog>
  );
}
