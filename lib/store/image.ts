import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';

/** An item from the table's stream, converted to our own form. */
export function itemFromImage(image: Readonly<Record<string, unknown>>): Record<string, unknown> {
  // Lambda has its own type for the attributes of a stream; they are DynamoDB's.
  return unmarshall(image as Record<string, AttributeValue>);
}
