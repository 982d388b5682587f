import { effect } from '@preact/signals';
import { may, signIn } from './api.ts';
import { changed, concerned, lastReadAt, streaming } from './live.ts';

/** Without a word for so long, in milliseconds, the stream is not relied on: where answers end, it comes back every five seconds. */
const silenceMs = 20_000;

/** A key that may read none of these gets no stream. */
const areas = ['events', 'runs', 'deliveries', 'pause', 'automations'];

/** Follows the live stream while someone is signed in and the page is visible, so that changes are reloaded at once. */
export function followStream(): void {
  let source: EventSource | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  const received = () => {
    streaming.value = true;
    clearTimeout(silence);
    silence = setTimeout(() => {
      streaming.value = source?.readyState === EventSource.OPEN;
    }, silenceMs);
  };
  const stop = () => {
    source?.close();
    source = undefined;
    clearTimeout(silence);
    streaming.value = false;
  };
  const start = () => {
    if (source || document.hidden || !signIn.peek() || !areas.some((area) => may(area, 'read'))) return;
    source = new EventSource('/v1/stream');
    source.onopen = received;
    source.onerror = () => {
      // A rejection closes the stream permanently. The pages then keep polling.
      if (source?.readyState === EventSource.CLOSED) stop();
    };
    for (const [kind, paths] of Object.entries(concerned)) {
      source.addEventListener(kind, () => {
        received();
        changed(paths);
      });
    }
  };
  effect(() => {
    if (!signIn.value) stop();
    // What is shown first is read first: the stream takes one of the few connections that a browser opens.
    else if (lastReadAt.value !== undefined) start();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) stop();
    else start();
  });
}
