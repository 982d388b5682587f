import { durableFunction } from '../lib/aws/durable.ts';
import { metric } from '../lib/aws/log.ts';
import type { DeliveryStart } from '../lib/core/durable.ts';
import { deliver } from '../lib/subscriptions/deliveries/deliver.ts';

/** Delivers one event to one subscription, for up to 76 hours. */
export const handler = durableFunction<DeliveryStart>('deliver-event', async (services, context, payload) => {
  const end = await deliver(services, context, payload);
  if (end.state === 'given_up') metric('DeliveryGivenUp', 1, 'Count', { function: 'deliver-event' });
  return end;
});
