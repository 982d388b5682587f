import type { HttpClient } from '../../lib/core/http/client.ts';

let gathered: (() => void)[] = [];

/**
 * Runs everything that one turn of the event loop brings as one batch, once all of it has been read. Requests and responses then go
 * through the same code one after the other, instead of each going through all of it: under load, each costs half as much.
 */
export function inBatch(run: () => void): void {
  if (gathered.push(run) === 1) setImmediate(runGathered);
}

function runGathered(): void {
  const now = gathered;
  gathered = [];
  for (const run of now) run();
}

/** A client whose complete responses are handed on in batches. */
export function batchResponses<Client extends HttpClient>(client: Client): Client {
  return {
    ...client,
    request: (options) =>
      new Promise((resolve, reject) => {
        client.request(options).then((answer) => inBatch(() => resolve(answer)), reject);
      }),
  };
}
