import { describe, expect, test } from 'vitest';
import { controlAreas } from '../api/scopes.ts';
import { vendors } from '../vendors/index.ts';
import { eventTypesOf } from './event-types.ts';
import { mayReadAsMuch, mayReadEvent, mayReadType, scopesToRead, scopeToRead } from './reading.ts';

const message = { vendor: 'talk', connection: 'team', readBy: 'getChatMessages' };
const received = { vendor: 'trunkline', connection: 'hook-panel', readBy: 'hooks' };
const failed = { vendor: 'trunkline', connection: 'trunkline', readBy: 'runs' };
const attention = {
  vendor: 'trunkline',
  connection: 'team',
  readBy: 'connections',
  about: { vendor: 'talk', connection: 'team' },
};

describe('an event', () => {
  test.each([
    [message, true, ['talk/team/getChatMessages']],
    [message, true, ['*/*/getChatMessages']],
    [message, true, ['talk/team/*']],
    [message, false, ['talk/team/sendChatMessage', 'trunkline/*/*']],
    [message, false, ['talk/team/getRooms', 'talk/other/*', 'proptt2/*/*']],
    [message, false, ['talk/team/raw', 'trunkline/events/read']],
    [{ ...message, readBy: undefined }, false, ['talk/team/getChatMessages']],
    [{ ...message, readBy: undefined }, true, ['talk/team/*']],
    [received, true, ['trunkline/hooks/read']],
    [received, false, ['trunkline/events/read', 'trunkline/hooks/write', 'talk/*/*']],
    [failed, true, ['*/*/*']],
    [failed, false, ['trunkline/runs/read', '*/*/getRooms']],
    [attention, true, ['trunkline/connections/read', 'talk/team/sendChatMessage']],
    [attention, false, ['trunkline/connections/read', 'talk/other/*']],
    [attention, false, ['talk/team/*']],
    [{ ...attention, about: message }, false, ['trunkline/connections/read', 'talk/team/sendChatMessage']],
  ])('%j is readable: %s, with %j', (event, readable, scopes) => {
    const { readBy, ...rest } = event;
    expect(mayReadEvent(scopes, { ...rest, ...(readBy !== undefined && { readBy }) })).toBe(readable);
  });

  test('names the scopes that records of its contents require', () => {
    expect(scopesToRead(message)).toEqual(['talk/team/getChatMessages']);
    expect(scopesToRead({ vendor: 'talk', connection: 'team' })).toEqual(['talk/team/*']);
    expect(scopesToRead({ ...attention, about: message })).toEqual([
      'trunkline/connections/read',
      'talk/team/getChatMessages',
    ]);
  });
});

describe('a type', () => {
  const type = { type: 'talk.message.created', vendor: 'talk', readBy: 'getChatMessages' };
  test.each([
    [true, ['talk/team/getChatMessages'], undefined],
    [true, ['talk/team/getChatMessages'], 'team'],
    [true, ['talk/*/*'], 'talk/team'],
    [false, ['talk/team/getChatMessages'], 'depot'],
    [false, ['talk/team/getChatMessages'], 'proptt2/team'],
    [false, ['talk/team/sendChatMessage', 'trunkline/*/*'], undefined],
  ])('can be read: %s, with %j at %s', (readable, scopes, connection) => {
    expect(mayReadType(scopes, type, connection)).toBe(readable);
  });

  test('compares what two keys may read', () => {
    const others = ['talk/team/getChatMessages', 'talk/depot/getRooms'];
    expect(mayReadAsMuch(['talk/team/*'], others, type)).toBe(true);
    expect(mayReadAsMuch(['talk/team/*'], ['talk/*/*'], type)).toBe(false);
    expect(mayReadAsMuch(['talk/team/*'], ['talk/*/*'], type, 'team')).toBe(true);
    expect(mayReadAsMuch(['talk/team/getRooms'], others, type)).toBe(false);
  });

  test('names the scope in words', () => {
    expect(scopeToRead(type)).toBe('talk/*/getChatMessages');
    expect(scopeToRead(type, 'talk/team')).toBe('talk/team/getChatMessages');
    expect(scopeToRead({ type: 'trunkline.run.failed', vendor: 'trunkline', readBy: 'runs' }, 'team')).toBe(
      'trunkline/runs/read',
    );
  });
});

test('every event type is read by an existing read operation of its vendor, or by a control area', () => {
  for (const { type, vendor, readBy } of eventTypesOf(vendors)) {
    const isArea = vendor === 'trunkline' && controlAreas.some((area) => area === readBy);
    expect(isArea || vendors[vendor]?.operations[readBy]?.effect === 'read', `${type} ${readBy}`).toBe(true);
  }
});
