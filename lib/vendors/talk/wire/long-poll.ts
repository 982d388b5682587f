import type { TalkCall } from '../connection.ts';

/**
 * Lets one caller of a connection wait at a time: two waiting requests of one account slow a whole Nextcloud down. Another caller
 * immediately receives what is available.
 */
export async function alone<T>(call: TalkCall, wait: number, run: (wait: number) => Promise<T>): Promise<T> {
  if (wait === 0 || call.memory.has('waiting')) return run(0);
  call.memory.set('waiting', true);
  try {
    return await run(wait);
  } finally {
    call.memory.delete('waiting');
  }
}
