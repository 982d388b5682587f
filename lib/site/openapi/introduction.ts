import type { Route } from '../../api/route.ts';

/** `info.description`: what a reader must know before the first call, in Markdown. */
export function introduction(routes: readonly Route[]): string {
  const runs = routes.some(({ path }) => path === '/v1/runs/{id}');
  return [
    "**Calls.** `POST /v1/{vendor}/{connection}/{operation}` with the input as JSON; a read also answers `GET` with the input in the query. Create a connection once with `POST /v1/connections`; the gateway logs in, keeps the session alive and renews it by itself. Field names are ours where the vendor's are cryptic; `x-wire-name` tells the vendor's.",
    '**Keys.** Send `Authorization: Bearer tl_…`. A key carries scopes of the form `vendor/connection/operation`, such as `proptt2/dispatch/*`. A wildcard covers reads and writes; `destructive` and `session` operations and raw requests must be named exactly.',
    '**Errors** are `application/problem+json` with a `code` to branch on and a `message` to show. A failure is never a 200, and 401 is only ever about your own key.',
    '**Writes.** Send the header `Idempotency-Key` with any text of your own (1 to 255 printable ASCII characters, quoted or bare; a new one for each thing to be done): for 24 hours, a repeat gets the answer of the first request. A write is sent to the vendor again only where the vendor certainly did not carry it out; a lost answer is 504 `outcome_unknown`.',
    "**Answers** are the vendor's own, normalised. Where one has another form than this document describes, it is passed through unchanged, and the header `Vendor-Shape` lists the JSON pointers.",
    '**Numbers.** An integer beyond 2^53 is a decimal string in answers; inputs take both.',
    runs &&
      '**Time.** A call has 25 seconds. What may take longer, and any call with `Prefer: respond-async`, answers 202 with the `Location` of a run.',
  ]
    .filter((each) => typeof each === 'string')
    .join('\n\n');
}
