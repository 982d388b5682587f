import { marshall } from '@aws-sdk/util-dynamodb';
import { expect, test } from 'vitest';
import { Table } from '../../lib/store/table.ts';
import { ServiceError } from './aws-request.ts';
import { directClients } from './direct-client.ts';

test('a write that the database carried out before it failed is done', async () => {
  const item = { pk: 'a', sk: 'x', by: 'me' };
  const answers = [
    new Error('The database has ended'),
    new ServiceError('ConditionalCheckFailedException', 'The conditional request failed', 400, {
      Item: marshall(item),
    }),
  ];
  const { client } = directClients(() => Promise.reject(answers.shift()));
  expect(await new Table('trunkline', client).put(item, 'attribute_not_exists(#pk)')).toEqual({ done: true, item });
});
