import type { Field } from './state.ts';

/** A demo table by names; ids are assigned when the state is created. */
export interface DemoTable {
  name: string;
  code: string;
  /** Defaults to the demo book. */
  book?: { b_o: string; b_c: string };
  fields: (Omit<Field, 'id' | 'order' | 'linkTableId'> & { link?: string })[];
  views: { name: string; operator?: 'and' | 'or'; filters?: [field: string, predicate: string, operand: string][] }[];
  rows: Record<string, string>[];
  pivot?: { table: string; hz: string; vt: string };
  sysFunc?: string;
}

const text = (name: string, fixed_code: string, values: string[] = []): DemoTable['fields'][number] => ({
  name,
  code: null,
  fixed_code,
  type: 'text',
  ...(values.length > 0 && { enumColors: values.map((value, at) => ({ value, color: colours[at % 3] ?? '' })) }),
});
const number = (name: string, fixed_code: string): DemoTable['fields'][number] => ({
  name,
  code: null,
  fixed_code,
  type: 'number',
});
const date = (name: string, fixed_code: string): DemoTable['fields'][number] => ({
  name,
  code: null,
  fixed_code,
  type: 'date',
});
const comments: DemoTable['fields'] = [
  { name: 'Comments', code: null, fixed_code: 'comments', type: 'comments' },
  { name: 'Updates', code: null, fixed_code: 'updates', type: 'activity' },
];
const everything = { name: 'Default view' };
const colours = ['#7cc300', '#ff8400', '#FF3B47'];

/** More rows than one answer holds by default, two fields of one name, and one number of 64 bits. */
const readings = Array.from({ length: 260 }, (_, at) => ({
  Sensor: `S${String(at % 13).padStart(2, '0')}`,
  Value: (20 + ((at * 7) % 90) / 10).toFixed(1),
  Serial: at === 259 ? '9223372036854775807' : String(9_007_199_254_740_993n + BigInt(at)),
  At: `2026-01-05 ${String(Math.floor(at / 12)).padStart(2, '0')}:${String((at % 12) * 5).padStart(2, '0')}:00`,
}));

/** The tables of a new sandbox TimeTonic; linked ones come after those they link to. */
export const demoTables: readonly DemoTable[] = [
  {
    name: 'Incidents',
    code: 'incidents',
    fields: [
      { ...text('EventId', 'event_id'), code: 'evt' },
      text('Site', 'site'),
      text('Zone', 'zone'),
      text('Kind', 'kind', ['Fire', 'Leak', 'Intrusion']),
      text('Severity', 'severity', ['low', 'high', 'critical']),
      date('OpenedAt', 'opened_at'),
      text('Status', 'status', ['Open', 'Closed']),
      text('Ref', 'ref'),
      date('ClosedAt', 'closed_at'),
      { name: 'Photo', code: null, fixed_code: 'photo', type: 'file' as const },
      ...comments,
    ],
    views: [
      everything,
      { name: 'Open', filters: [['Status', 'is', 'Open']] },
      {
        name: 'Serious, newest first',
        filters: [
          ['Severity', 'isnot', 'low'],
          ['OpenedAt', 'desc', ''],
        ],
      },
    ],
    rows: [
      {
        EventId: 'E-988',
        Site: 'S12',
        Zone: 'Z1',
        Kind: 'Leak',
        Severity: 'low',
        OpenedAt: '2026-01-03 08:15:00',
        Status: 'Closed',
        Ref: '1C20',
        ClosedAt: '2026-01-03 09:40:00',
      },
      {
        EventId: 'E-989',
        Site: 'S07',
        Zone: 'Z4',
        Kind: 'Intrusion',
        Severity: 'high',
        OpenedAt: '2026-01-04 23:02:00',
        Status: 'Open',
        Ref: '88AE',
      },
      {
        EventId: 'E-990',
        Site: 'S12',
        Zone: 'Z2',
        Kind: 'Fire',
        Severity: 'critical',
        OpenedAt: '2026-01-05 01:30:00',
        Status: 'Open',
        Ref: '5B0D',
      },
    ],
  },
  {
    name: 'Rota',
    code: 'rota',
    fields: [
      text('Person', 'person'),
      number('ChannelNo', 'channel_no'),
      date('Start', 'start'),
      date('End', 'end'),
      text('Role', 'role', ['Normal', 'Receiver', 'Operator']),
      date('AppliedAt', 'applied_at'),
      ...comments,
    ],
    views: [everything, { name: 'Operators', filters: [['Role', 'is', 'Operator']] }],
    rows: [
      {
        Person: 'kim@company.ptt',
        ChannelNo: '12',
        Start: '2026-01-05 06:00:00',
        End: '2026-01-05 14:00:00',
        Role: 'Operator',
      },
      {
        Person: 'lee@company.ptt',
        ChannelNo: '12',
        Start: '2026-01-05 06:00:00',
        End: '2026-01-05 14:00:00',
        Role: 'Normal',
      },
      {
        Person: 'ada@company.ptt',
        ChannelNo: '7',
        Start: '2026-01-05 14:00:00',
        End: '2026-01-05 22:00:00',
        Role: 'Operator',
      },
      {
        Person: 'sam@company.ptt',
        ChannelNo: '7',
        Start: '2026-01-05 22:00:00',
        End: '2026-01-06 06:00:00',
        Role: 'Receiver',
      },
    ],
  },
  {
    name: 'Jobs',
    code: 'jobs',
    fields: [
      text('Title', 'title'),
      text('Site', 'site'),
      text('Assignee', 'assignee'),
      number('Prio', 'prio'),
      text('Status', 'status', ['New', 'Dispatched', 'Done']),
      date('DispatchedAt', 'dispatched_at'),
      text('DispatchRef', 'dispatch_ref'),
      { name: 'Incident', code: null, fixed_code: 'incident', type: 'link' as const, link: 'incidents' },
      ...comments,
    ],
    views: [
      everything,
      {
        name: 'To dispatch',
        filters: [
          ['Status', 'is', 'New'],
          ['Prio', 'asc', ''],
        ],
      },
    ],
    rows: [
      { Title: 'Leak, B2', Site: '12', Assignee: 'kim@company.ptt', Prio: '2', Status: 'New', Incident: 'E-988' },
      { Title: 'Reset panel', Site: '7', Assignee: 'lee@company.ptt', Prio: '1', Status: 'New', Incident: 'E-989' },
      { Title: 'Check extinguishers', Site: '12', Assignee: 'ada@company.ptt', Prio: '3', Status: 'Done' },
    ],
  },
  {
    name: 'Function keys',
    code: 'function_keys',
    fields: [
      text('Person', 'person'),
      text('Channel', 'channel'),
      number('Lat', 'lat'),
      number('Lon', 'lon'),
      date('At', 'at'),
      text('Kind', 'kind'),
      ...comments,
    ],
    views: [everything],
    rows: [
      {
        Person: 'Kim Adler',
        Channel: 'Site 12',
        Lat: '37.012',
        Lon: '127.106',
        At: '2026-01-05 02:11:09',
        Kind: 'Function key',
      },
      { Person: 'Lee Moran', Channel: 'Site 7', At: '2026-01-05 03:40:00', Kind: 'Function key' },
    ],
  },
  {
    name: 'Readings',
    code: 'readings',
    fields: [
      text('Sensor', 'sensor'),
      number('Value', 'value'),
      number('Serial', 'serial'),
      date('At', 'at'),
      text('Note', 'note'),
      text('Note', 'second_note'),
      ...comments,
    ],
    views: [
      everything,
      {
        name: 'Sensor S03',
        filters: [
          ['Sensor', 'is', 'S03'],
          ['At', 'desc', ''],
        ],
      },
    ],
    rows: readings,
  },
  {
    name: 'Incidents by site',
    code: 'incidents_by_site',
    fields: [],
    views: [everything],
    rows: [],
    pivot: { table: 'incidents', hz: 'Kind', vt: 'Site' },
  },
  {
    name: 'Members',
    code: 'members',
    sysFunc: 'members',
    fields: [text('User', 'user'), text('Name', 'name')],
    views: [everything],
    rows: [
      { User: 'demo', Name: 'Dana Mora' },
      { User: 'alex', Name: 'Alex Berg' },
    ],
  },
  {
    name: 'Notices',
    code: 'notices',
    book: { b_o: 'alex', b_c: 'noticeboard' },
    fields: [text('Title', 'title'), text('Text', 'text'), ...comments],
    views: [everything],
    rows: [
      { Title: 'Opening hours', Text: 'Control room: always' },
      { Title: 'Fire drill', Text: 'First Monday of the month' },
    ],
  },
  {
    name: 'Lone workers',
    code: 'lone_workers',
    fields: [
      text('Person', 'person'),
      text('TalkUser', 'talk_user'),
      text('OnShift', 'on_shift', ['Yes', 'No']),
      text('Status', 'status', ['OK', 'Overdue']),
      text('Ref', 'ref'),
      date('OverdueAt', 'overdue_at'),
      date('ClosedAt', 'closed_at'),
      ...comments,
    ],
    views: [everything],
    rows: [{ Person: 'user8@company.com', TalkUser: 'bob', OnShift: 'No' }],
  },
  {
    name: 'PTT Recordings',
    code: 'ptt_recordings',
    fields: [
      text('RecordId', 'record_id'),
      text('Kind', 'kind', ['Audio', 'Video', 'Shared video']),
      number('SizeKB', 'size_kb'),
      text('ChannelNo', 'channel_no'),
      text('Channel', 'channel'),
      text('Speaker', 'speaker'),
      date('RecordedAt', 'recorded_at'),
      text('Path', 'path'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
  {
    name: 'War rooms',
    code: 'war_rooms',
    fields: [
      text('Incident', 'incident'),
      text('Site', 'site'),
      text('Kind', 'kind'),
      text('Status', 'status', ['Open', 'Closed']),
      text('RoomToken', 'room_token'),
      text('ChannelId', 'channel_id'),
      date('OpenedAt', 'opened_at'),
      date('ClosedAt', 'closed_at'),
      text('Recordings', 'recordings'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
  {
    name: 'Monitoring',
    code: 'monitoring',
    fields: [
      text('Key', 'key'),
      text('Severity', 'severity', ['info', 'warning', 'critical']),
      text('Summary', 'summary'),
      text('Source', 'source'),
      text('Link', 'link'),
      date('OpenedAt', 'opened_at'),
      text('Status', 'status', ['Escalated', 'Resolved']),
      text('Ref', 'ref'),
      date('ResolvedAt', 'resolved_at'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
  {
    name: 'Zones',
    code: 'zones',
    fields: [
      text('Name', 'name'),
      number('Lat', 'lat'),
      number('Lon', 'lon'),
      number('RadiusM', 'radius_m'),
      text('ChannelNo', 'channel_no'),
      text('OnEnter', 'on_enter'),
      text('OnExit', 'on_exit'),
      ...comments,
    ],
    views: [everything],
    rows: [
      { Name: 'Site 12', Lat: '37.4898', Lon: '127.033', RadiusM: '200', ChannelNo: '34', OnEnter: 'Wear a helmet' },
    ],
  },
  {
    name: 'Crossings',
    code: 'crossings',
    fields: [
      text('Person', 'person'),
      text('Zone', 'zone'),
      text('Kind', 'kind', ['Enter', 'Exit']),
      date('At', 'at'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
  {
    name: 'People',
    code: 'people',
    fields: [
      text('Email', 'email'),
      text('Name', 'name'),
      text('TempPassword', 'temp_password'),
      text('Type', 'type'),
      text('Channels', 'channels'),
      text('TalkUser', 'talk_user'),
      text('TalkRooms', 'talk_rooms'),
      text('Status', 'status', ['Approved', 'Active', 'Incomplete', 'Failed', 'Licence limit', 'Leaving', 'Left']),
      text('PttUserId', 'ptt_user_id'),
      text('Error', 'error'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
  {
    name: 'Positions',
    code: 'positions',
    fields: [
      text('Person', 'person'),
      text('Name', 'name'),
      number('Lat', 'lat'),
      number('Lon', 'lon'),
      date('SeenAt', 'seen_at'),
      number('AgeMin', 'age_min'),
      text('Channels', 'channels'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
  {
    name: 'Position history',
    code: 'position_history',
    fields: [
      text('Person', 'person'),
      number('Lat', 'lat'),
      number('Lon', 'lon'),
      date('SeenAt', 'seen_at'),
      ...comments,
    ],
    views: [everything],
    rows: [],
  },
];
