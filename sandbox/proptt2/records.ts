import { numberIfDigits } from './channels.ts';
import type { CompanyData, VoiceRecord } from './company.ts';
import { newRecord } from './demo-company.ts';
import { type Call, type Endpoints, endpoint, findChannel, notFound, ok } from './endpoint.ts';

/** Recordings: lists shift while they are paged, as `insertWhilePaging` says. */
export const recordEndpoints: Endpoints = {
  'GET records': endpoint({
    since: '2.2.8',
    paged: true,
    answer: (call) => {
      const records = page(call, call.data.records);
      return ok({ records: records.map(({ filepath: _filepath, ...record }) => withNumber(record)) });
    },
  }),
  'GET records/{}': endpoint({
    since: '2.2.8',
    answer: ({ data, ids }) => {
      const record = data.records.find((record) => record.id === ids[0]);
      return record ? ok(withNumber(record)) : notFound();
    },
  }),
  'GET channels/{}/records': endpoint({
    since: '2.2.8',
    paged: true,
    answer: (call) => {
      const channel = findChannel(call);
      if (!channel) return notFound();
      const own = call.data.records.filter((record) => record.channelId === channel.id);
      const records = page(call, own, channel.id).map((record) => {
        const { channelId: _id, channelNo: _no, channelName: _name, filepath: _filepath, ...rest } = record;
        return rest;
      });
      return ok({ records });
    },
  }),
};

/** The fields of a new recording; absent ones get a default. */
export interface NewRecord {
  channelId?: number;
  /** User id of the speaker. */
  ownerId?: number;
  type?: number;
  status?: number;
  fileSize?: number;
}

/** Adds a recording of now. Throws when the company has no such channel or user. */
export function insertRecord(data: CompanyData, wanted: NewRecord, now: number, utcOffsetMinutes: number): VoiceRecord {
  const channel = wanted.channelId === undefined ? Object.values(data.channels)[0] : data.channels[wanted.channelId];
  const owner = data.users[wanted.ownerId ?? 1];
  if (!channel || !owner) throw new Error(`No channel ${wanted.channelId} or no user ${wanted.ownerId} to record`);
  const record = newRecord(data.nextId.record++, channel, owner, now, utcOffsetMinutes, wanted);
  data.records.push(record);
  return record;
}

function page(call: Call, records: VoiceRecord[], channelId?: number): VoiceRecord[] {
  const { settings, query } = call;
  const ordered = settings.recordOrder === 'newest' ? records.toReversed() : records;
  const start = query.start ?? 0;
  const found = ordered.slice(start, start + (query.pageSize ?? settings.pageSize));
  if (settings.insertWhilePaging > 0 && Object.keys(call.data.channels).length > 0) {
    settings.insertWhilePaging -= 1;
    insertRecord(call.data, channelId === undefined ? {} : { channelId }, call.now, settings.utcOffsetMinutes);
  }
  return found;
}

function withNumber<Record extends { channelNo: string }>(record: Record): object {
  return { ...record, channelNo: numberIfDigits(record.channelNo) };
}
