import { expect, test } from 'vitest';
import { automationSchema } from '../automations/definition.ts';
import { GatewayError } from './errors.ts';
import { parseInput } from './operation.ts';

const hear = 'talk.message.created';

/** What is wrong with the only step of an automation. */
function refusal(step: object): string[] {
  try {
    parseInput(automationSchema(), { name: 'Fire', when: { event: hear }, do: [step] });
  } catch (error) {
    if (error instanceof GatewayError)
      return (error.errors ?? []).map(({ pointer, message }) => `${pointer} ${message}`);
    throw error;
  }
  return [];
}

test('of several forms, the nearest one names the fields that are missing', () => {
  expect(refusal({ name: 'siren', call: 'proptt2/demo/sendSosToChannel', iput: {} })).toEqual([
    '/do/0/iput is not a field of this request',
  ]);
  expect(refusal({ call: 'proptt2/demo/sendSosToChannel' })).toEqual(['/do/0/name is required']);
  expect(refusal({ waitFor: { event: hear, seconds: 'ten' } })).toEqual(['/do/0/waitFor/seconds must be an integer']);
  expect(refusal({ waitFor: { any: [{ event: 1 }], seconds: 5 } })).toEqual([
    '/do/0/waitFor/any/0/event must be of type string',
  ]);
  expect(refusal({ wait: { seconds: 5 } })).toEqual([]);
});

test('the error for a value that is near no form, or as near to two, lists the forms', () => {
  const [step = ''] = refusal({});
  expect(step).toMatch(/^\/do\/0 must be \{name, call, /);
  const [waitFor = ''] = refusal({ waitFor: { seconds: 5 } });
  expect(waitFor).toMatch(/^\/do\/0\/waitFor must be \{/);
});
