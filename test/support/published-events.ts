import * as z from 'zod/mini';
import { eventTypesOf } from '../../lib/events/event-types.ts';
import { vendors } from '../../lib/vendors/index.ts';

const published = new Map(eventTypesOf(vendors).map((each) => [each.type, each]));

/** The envelope that every event has, whatever its type. */
const envelope = z.strictObject({
  id: z.string().check(z.regex(/^evt_[\w-]{27}$/)),
  type: z.string(),
  timestamp: z.iso.datetime(),
  vendor: z.string(),
  connection: z.string(),
  data: z.record(z.string(), z.unknown()),
});

/** What distinguishes events that happened from what is published of their types: nothing, where all is well. */
export function unlikePublished(events: readonly unknown[]): string[] {
  return events.flatMap((event) => {
    const whole = envelope.safeParse(event);
    if (!whole.success) return [`${JSON.stringify(event)} is no event: ${z.prettifyError(whole.error)}`];
    const { type, data } = whole.data;
    const declared = published.get(type);
    if (!declared) return [`${type} is not published`];
    const fits = declared.data().safeParse(data);
    return fits.success ? [] : [`${type} ${JSON.stringify(data)}: ${z.prettifyError(fits.error)}`];
  });
}
