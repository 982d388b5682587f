import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { book, chat, radio, table, tables } from './inputs.ts';
import { dateCell, readFields, writeRow } from './rows.ts';

const given = 'event.data';
const soon = { retry: { attempts: 3, seconds: 2 } };
const isOpen = `${given}.state = 'open'`;
const isClosed = `${given}.state = 'closed'`;
/** JSONata: what is remembered of the incident. */
const memory = (what: string) => `$lookup(memo, '${what} ' & ${given}.incident)`;
const remember = (name: string, what: string, value: string, condition: string) => ({
  name,
  if: `{% ${condition} %}`,
  remember: { key: `${what} {% ${given}.incident %}`, value: `{% ${value} %}` },
});
const isObject = (value: string) => `$type(${value}) = 'object'`;
const hasClosed = `(${isClosed} and steps.was.output.open
  and $not($exists(steps.rename.error) or $exists(steps.recordings.error) or $exists(steps.closeRow.error)))`;
const title = `${given}.incident & ' ' & ${given}.site & ' ' & ${given}.kind`;

/** JSONata: an incident in the one form that the room is opened with, from the body of a post. */
const incidentIn = (body: string) => `{
  'incident': $string($exists(${body}.incident) ? ${body}.incident : ${body}.event_id),
  'site': $string([${body}.site, ''][0]),
  'kind': $string([${body}.kind, ${body}.title, ''][0]),
  'link': $string([${body}.link, ''][0]),
  'state': $lowercase($string(${body}.state)) in ['closed', 'resolved'] ? 'closed' : 'open'
}`;
/** JSONata: an incident from a row, whose values are found by field name. */
const incidentOfRow = `(
  $cell := function($name) {
    $lookup($event.data.values, $string(
      $steps.tables.output.bookTables.categories[$string(id) = $event.data.tableId].fields[name = $name].id))
  };
  {
    'incident': $string($cell({{numberField}})),
    'site': $string([$cell('Site'), ''][0]),
    'kind': $string([$cell('Kind'), ''][0]),
    'link': '',
    'severity': $string($cell('Severity')),
    'state': $lowercase($string($cell('Status'))) = 'closed' ? 'closed' : 'open'
  }
)`;

/** R11: a serious incident gets a chat room, a radio channel and a row; its end closes them, and nothing is deleted unasked. */
export const warRoom: Recipe = {
  title: 'War room',
  summary:
    'A serious incident opens a chat room and a radio channel with those on call, and a row; its end lists the recordings and closes them.',
  requirements: [
    'The Talk users and the ProPTT2 users who are on call.',
    'A TimeTonic table with the fields Incident, Site, Kind, Status, RoomToken, ChannelId, OpenedAt, ClosedAt and Recordings.',
    'For incidents from rows, a table with the fields Site, Kind, Severity and Status, and one for the number.',
    'A key with the scopes talk/CONNECTION/deleteRoom and proptt2/CONNECTION/deleteChannel: a wildcard does not cover deletion.',
  ],
  inputs: {
    radio,
    chat,
    tables,
    ...book,
    rooms: table('The table of war rooms, by its code', 'war_rooms'),
    rowsTable: { title: 'The table whose rows open a room, by its name', type: 'text', default: 'Incidents' },
    numberField: { title: 'The field of that table with the number of the incident', type: 'text', default: 'EventId' },
    severities: { title: 'Severities that open a room', type: 'list', default: ['critical', 'P1'] },
    hooks: {
      title: 'Other hooks whose posts open a room, such as that of an alarm panel, by their ids',
      type: 'list',
      choices: 'hooks',
      default: [],
    },
    talkUsers: { title: 'The Talk users on call', type: 'list', choices: 'talk/{chat}/users' },
    radioUsers: { title: 'The ProPTT2 users on call, by their strId', type: 'list', choices: 'proptt2/{radio}/users' },
    keepSeconds: {
      title: 'Seconds for which the channel is kept after the end, at most 30 days',
      type: 'number',
      default: 2_592_000,
    },
  },
  hooks: { incidents: { name: 'incidents', verify: { kind: 'none' } } },
  automations: [
    {
      name: 'room',
      when: { event: 'trunkline.automation.started' },
      // An incident opens once until it is closed, even if its run failed half-way: that run is replayed.
      dedupe: {
        key: `{% ${given}.incident & '|' & ${given}.state & '|' & ${memory('closed')} %}`,
        seconds: 2_592_000,
      },
      do: [
        {
          name: 'was',
          set: `{% {
            'open': ${memory('open')} = true, 'room': ${memory('room')}, 'channel': ${memory('channel')},
            'row': ${memory('row')}, 'closed': [${memory('closed')}, 0][0]
          } %}`,
        },
        remember('keepOpen', 'open', 'true', isOpen),
        {
          name: 'open',
          if: `{% ${isOpen} %}`,
          parallel: [
            [
              {
                name: 'room',
                call: 'talk/{{chat}}/createRoom',
                input: { roomType: 2, roomName: `{% ${title} %}` },
                undo: { call: 'talk/{{chat}}/deleteRoom', input: { token: '{% steps.room.output.token %}' } },
                ...soon,
                ...continueOnError,
              },
              remember('keepRoom', 'room', 'steps.room.output.token', isObject('steps.room.output')),
              {
                name: 'invite',
                if: `{% ${isObject('steps.room.output')} %}`,
                call: 'talk/{{chat}}/addParticipant',
                forEach: '{% {{talkUsers}} %}',
                input: { token: '{% steps.room.output.token %}', newParticipant: '{% item %}' },
                ...continueOnError,
              },
            ],
            [
              {
                name: 'channel',
                call: 'proptt2/{{radio}}/createChannel',
                input: {
                  no: `{% '9' & $replace(${given}.incident & '', /[^0-9]/, '') %}`,
                  name: `{% ${given}.incident %}`,
                  TOT: 30,
                  recordable: true,
                  encrypted: false,
                  shareLocations: true,
                },
                undo: {
                  call: 'proptt2/{{radio}}/deleteChannel',
                  input: { channelId: '{% steps.channel.output.id %}' },
                },
                ...soon,
                ...continueOnError,
              },
              remember('keepChannel', 'channel', 'steps.channel.output.id', isObject('steps.channel.output')),
              {
                name: 'users',
                if: `{% ${isObject('steps.channel.output')} %}`,
                call: 'proptt2/{{radio}}/getUserList',
                ...continueOnError,
              },
              {
                name: 'link',
                if: `{% ${isObject('steps.channel.output')} %}`,
                call: 'proptt2/{{radio}}/linkUserToChannel',
                forEach: '{% {{radioUsers}} %}',
                input: {
                  channelId: '{% steps.channel.output.id %}',
                  userId:
                    "{% ($item := item; $id := $steps.users.output.users[strId = $item].id; $exists($id) ? $id : $error('There is no user ' & $item)) %}",
                  ensure: true,
                },
                ...continueOnError,
              },
            ],
          ],
        },
        readFields({ ...soon, ...continueOnError }),
        writeRow(
          'row',
          'rooms',
          // A replay completes the row that is there.
          `{% $exists(${memory('row')}) ? ${memory('row')} : "tmp" & $substring($hash(run.id), 0, 12) %}`,
          {
            Incident: '$event.data.incident',
            Site: '$event.data.site',
            Kind: '$event.data.kind',
            Status: "'Open'",
            RoomToken: '$steps.room.output.token',
            ChannelId: '$steps.channel.output.id',
            OpenedAt: "$replace($substring($run.startedAt, 0, 19), 'T', ' ')",
          },
          { if: `{% ${isOpen} %}`, ...soon, ...continueOnError },
        ),
        remember(
          'keepRow',
          'row',
          '$string([steps.row.output.newRows[0].id, steps.row.output.id][0])',
          isObject('steps.row.output'),
        ),
        {
          name: 'first',
          if: `{% ${isOpen} and ${isObject('steps.room.output')} %}`,
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{% steps.room.output.token %}',
            message: `{% '🚨 ' & ${title} & ' #' & run.ref
              & ($exists(steps.channel.output.id) ? '\\nRadio channel 9' & $replace(${given}.incident & '', /[^0-9]/, '') : '\\nNo radio channel: it could not be created')
              & (${given}.link != '' ? '\\n' & ${given}.link : '') %}`,
          },
          ...continueOnError,
        },
        {
          name: 'close',
          if: `{% ${isClosed} and steps.was.output.open %}`,
          parallel: [
            [
              {
                name: 'rename',
                if: '{% $exists(steps.was.output.room) %}',
                call: 'talk/{{chat}}/renameRoom',
                input: { token: '{% steps.was.output.room %}', roomName: `{% '[closed] ' & ${title} %}` },
                ...soon,
                ...continueOnError,
              },
            ],
            [
              {
                name: 'recordings',
                if: '{% $exists(steps.was.output.channel) %}',
                call: 'proptt2/{{radio}}/getRecordsOfChannel',
                input: { channelId: '{% steps.was.output.channel %}', start: 0, pageSize: 100 },
                ...soon,
                ...continueOnError,
              },
              writeRow(
                'closeRow',
                'rooms',
                '{% steps.was.output.row %}',
                {
                  Status: "'Closed'",
                  ClosedAt: dateCell('$millis()'),
                  Recordings: `$join($steps.recordings.output.records.(createDate & ' ' & ownerName & ' (' & $string(id) & ')'), ', ')`,
                },
                { if: '{% $exists(steps.was.output.row) %}', ...soon, ...continueOnError },
              ),
            ],
          ],
        },
        // What could not be closed stays open here, so that a replay closes it.
        remember('keepClosed', 'open', 'false', hasClosed),
        remember('count', 'closed', 'steps.was.output.closed + 1', hasClosed),
        {
          name: 'kept',
          if: `{% ${hasClosed} and $exists(steps.was.output.channel) %}`,
          wait: { seconds: '{{keepSeconds}}' },
        },
        {
          name: 'deleteChannel',
          // It may have been opened again in the meantime.
          if: `{% ${hasClosed} and ${memory('channel')} = steps.was.output.channel and $not(${memory('open')}) %}`,
          call: 'proptt2/{{radio}}/deleteChannel',
          input: { channelId: '{% steps.was.output.channel %}' },
          ...continueOnError,
        },
        remember('forgetChannel', 'channel', 'null', isObject('steps.deleteChannel.output')),
      ],
    },
    {
      name: 'post',
      when: { event: 'trunkline.hook.received' },
      if: `{% event.connection in $append({{hooks}}, [{{hook.incidents}}]) and $exists(event.data.body.state)
        and (event.data.body.severity in {{severities}} or $lowercase($string(event.data.body.state)) in ['closed', 'resolved']) %}`,
      maxPerMinute: 600,
      do: [
        { name: 'incident', set: `{% ${incidentIn('event.data.body')} %}` },
        { name: 'opened', start: '{{installation}}: room', input: incidentFields('incident') },
      ],
    },
    {
      name: 'row',
      when: ['created', 'updated'].map((kind) => ({
        event: `timetonic.row.${kind}`,
        connection: 'timetonic/{{tables}}',
      })),
      if: '{% event.data.tableName = {{rowsTable}} %}',
      do: [
        readFields(),
        { name: 'incident', set: `{% ${incidentOfRow} %}` },
        {
          name: 'opened',
          if: "{% steps.incident.output.severity in {{severities}} and steps.incident.output.incident != '' %}",
          start: '{{installation}}: room',
          input: incidentFields('incident'),
        },
      ],
    },
  ],
};

function incidentFields(step: string): Record<string, string> {
  const names = ['incident', 'site', 'kind', 'link', 'state'];
  return Object.fromEntries(names.map((name) => [name, `{% steps.${step}.output.${name} %}`]));
}
