import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';

/** An item as the table's stream carries it, in our own form. */
export function itemFromImage(image: Readonly<Record<string, unknown>>): Record<string, unknown> {
  // Lambda types the attributes of a stream under a name of its own; they are DynamoDB's.
  return unmarshall(image as Record<string, AttributeValue>);
}
