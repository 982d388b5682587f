import { expect, test } from 'vitest';
import { didYouMean } from './nearest.ts';

const operations = ['sendSosToChannel', 'sendSosToUser', 'sendAlertToChannel', 'getChannelList'];

test.each([
  ['sendSos', ' Did you mean sendSosToChannel, sendSosToUser?'],
  ['getChanelList', ' Did you mean getChannelList?'],
  ['SENDALERTTOCHANNEL', ' Did you mean sendAlertToChannel?'],
  ['deleteEverything', ''],
  ['', ''],
])('%s', (typed, suggestion) => {
  expect(didYouMean(typed, operations)).toBe(suggestion);
});
