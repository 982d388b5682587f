import type { Route } from '../../api/route.ts';

/** `info.description`: what a reader must know before the first call, in Markdown. */
export function introduction(routes: readonly Route[]): string {
  const runs = routes.some(({ path }) => path === '/v1/runs/{id}');
  return [
    "**Calls.** `POST /v1/{vendor}/{connection}/{operation}` with the input as JSON; a read also answers `GET` with the input in the query. Create a connection once with `POST /v1/connections`; Trunkline logs in, keeps the session alive and renews it. Where a vendor's field name is cryptic, ours is used, and `x-wire-name` holds the vendor's.",
    '**Keys.** Send `Authorization: Bearer tl_…`. A key carries scopes of the form `vendor/connection/operation`, such as `proptt2/dispatch/*`. A wildcard covers reads and writes; `destructive` and `session` operations and raw requests must be named exactly.',
    '**Errors** are `application/problem+json` with a `code` to branch on and a `message` to show. A failure is never a 200, and 401 is only ever about your own key.',
    '**Writes.** Send the header `Idempotency-Key` with any text of your own (1 to 255 printable ASCII characters, quoted or bare; a new one for each thing to be done): for 24 hours, a repeated request gets the response of the first. A write is sent to the vendor again only if the vendor certainly did not carry it out; a lost response is 504 `outcome_unknown`.',
    "**Responses** are the vendor's own, normalised. Parts that differ from this document are passed through unchanged, and the header `Vendor-Shape` lists their JSON pointers.",
    '**Numbers.** An integer beyond 2^53 is a decimal string in responses; inputs accept both.',
    runs &&
      '**Time.** A call may take 25 seconds. A call that may take longer, and any call with `Prefer: respond-async`, returns 202 with the `Location` of a run.',
  ]
    .filter((each) => typeof each === 'string')
    .join('\n\n');
}
