import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { book, radio, table, tables } from './inputs.ts';
import { dateCell, fieldIds, fieldIdsRead, readFields, readRows, rowsOf, writeRows } from './rows.ts';

const soon = { retry: { attempts: 3, seconds: 5 }, timeout: 15 };
const dayMs = 86_400_000;
const isMoved = '$count(steps.moved.output) > 0';
const quota = '$lookup(quota.timetonic, {{tables}})';
const isPaused = `(${quota}.percent >= {{quotaPercent}}) = true`;
const isWritten = '$exists(steps.write.output.modified)';
const hasHistory = "{{history}} != 'none'";
/** A person whose row is not known: the table is read, and only then. */
const isUnknown = '$count(steps.moved.output[$not($exists($lookup($memo.map.ids, person)))]) > 0';
const isTidyTime = `$not(${isPaused}) and ($not($exists(memo.tidied)) or $millis() - memo.tidied >= ${dayMs})`;
const old = (step: string) =>
  `$steps.${step}.output.tableValues.rows[fields.SeenAt.value != null and fields.SeenAt.value != ''
    and $parseTime($string(fields.SeenAt.value), 'UTC') < $millis() - {{retentionDays}} * ${dayMs}].$string(id)`;

/** JSONata: everybody with coordinates and another date than the one in the table. */
const located = `(
  $seen := $memo.seen;
  $all := $count({{people}}) = 0;
  [$steps.users.output.users[$type(latitude) = 'number' and $type(longitude) = 'number' and locationDate != ''
    and $not($lookup($seen, strId) = locationDate) and ($all or strId in {{people}})].{
      "person": strId, "name": name, "userId": id, "latitude": latitude, "longitude": longitude, "date": locationDate
    }]
)`;

/** JSONata: those of them whose position is not too old. Reading hundreds of dates is a separate step, with its own time limit. */
const moved = `(
  $from := $millis() - {{maxAgeMinutes}} * 60000;
  [$steps.located.output.(
    $at := $parseTime(date, {{timeZone}});
    $at >= $from ? $merge([$, {"at": $at}])
  )]
)`;

const newRow = "'tmp' & $substring($hash(person & ' ' & date), 0, 16)";
/** JSONata: the row of a person, or a new one. */
const rowOfPerson = `($id := $lookup($steps.map.output.ids, person); $exists($id) ? $id : ${newRow})`;

/** R8: the last position of every radio in a table, one row a person, and only what changed. */
export const positions: Recipe = {
  title: 'Positions',
  summary:
    'The last position of each radio is kept in a TimeTonic table, one row per person, with as few calls as possible.',
  requirements: [
    'A TimeTonic table with the fields Person, Name, Lat, Lon, SeenAt, AgeMin and Channels.',
    'For a history, a second table with the fields Person, Lat, Lon and SeenAt.',
    'monthlyCalls in the settings of the TimeTonic connection, so that the recipe can pause near the quota.',
  ],
  inputs: {
    radio,
    tables,
    ...book,
    positions: table('The table of positions, by its code', 'positions'),
    history: { ...table('The table of the history, by its code, or "none"', 'none') },
    cron: { title: 'When positions are read, such as */5 6-21 * * 1-5', type: 'text', default: '*/5 * * * *' },
    workZone: { title: 'The time zone of these hours', type: 'text', default: 'UTC' },
    people: {
      title: 'Only these user ids; none means everybody',
      type: 'list',
      default: [],
      choices: 'proptt2/{radio}/users',
    },
    timeZone: { title: 'The time zone of the dates that the ProPTT2 server sends', type: 'text', default: 'UTC' },
    maxAgeMinutes: { title: 'Older positions, in minutes, are left out', type: 'number', default: 60 },
    withChannels: { title: 'Whether the channels of each person are written', type: 'boolean', default: false },
    retentionDays: { title: 'Days after which a position is deleted', type: 'number', default: 30 },
    quotaPercent: { title: 'The share of the monthly calls at which it pauses', type: 'number', default: 95 },
  },
  automations: [
    {
      name: '',
      when: { schedule: { cron: '{{cron}}', timeZone: '{{workZone}}' }, missed: 'skip' },
      mode: 'single',
      do: [
        { name: 'users', call: 'proptt2/{{radio}}/getUserList', ...soon },
        { name: 'located', set: `{% ${located} %}` },
        { name: 'moved', set: `{% ${moved} %}` },
        // The first run of a day that finds the quota used up fails with the reason; the others only do nothing.
        {
          name: 'pausing',
          if: `{% ${isPaused} %}`,
          remember: { key: 'paused', value: true, seconds: dayMs / 1000, expect: null },
        },
        {
          name: 'paused',
          if: '{% steps.pausing.output.written %}',
          set: `{% $error('Paused: ' & ${quota}.percent & ' % of the TimeTonic calls of this month are used') %}`,
        },
        readRows('rows', 'positions', { if: `{% $not(${isPaused}) and ${isUnknown} %}`, ...soon }),
        readFields({ if: `{% $not(${isPaused}) and ${isUnknown} and ${hasHistory} %}`, ...soon }),
        {
          name: 'map',
          set: `{% $exists(steps.rows.output.tableValues) ? {
            "fields": ${fieldIdsRead('rows')},
            "history": ${fieldIds('history')},
            "ids": $merge($steps.rows.output.tableValues.rows[$string(fields.Person.value) != ''].{
              $string(fields.Person.value): $string(id)})
          } : memo.map %}`,
        },
        {
          name: 'channels',
          if: `{% {{withChannels}} and $not(${isPaused}) and ${isMoved} %}`,
          call: 'proptt2/{{radio}}/getChannelList',
          ...soon,
        },
        {
          name: 'members',
          call: 'proptt2/{{radio}}/getUsersOfChannel',
          forEach: '{% steps.channels.output.channels %}',
          input: { channelId: '{% item.id %}' },
          ...soon,
        },
        writeRows(
          'write',
          rowsOf('$steps.map.output.fields', '$steps.moved.output', rowOfPerson, {
            Person: '$one.person',
            Name: '$one.name',
            Lat: '$one.latitude',
            Lon: '$one.longitude',
            SeenAt: dateCell('$one.at'),
            AgeMin: '$round(($millis() - $one.at) / 60000)',
            Channels: `$join($map($steps.channels.output.channels, function($channel, $at) {
              $one.userId in $steps.members.output[$at].users.id ? $channel.name}), ', ')`,
          }),
          { if: `{% $not(${isPaused}) and ${isMoved} %}`, ...continueOnError },
        ),
        writeRows(
          'historyRows',
          rowsOf('$steps.map.output.history', '$steps.moved.output', newRow, {
            Person: '$one.person',
            Lat: '$one.latitude',
            Lon: '$one.longitude',
            SeenAt: dateCell('$one.at'),
          }),
          { if: `{% ${hasHistory} and ${isWritten} %}`, ...continueOnError },
        ),
        {
          name: 'seen',
          if: `{% ${isWritten} %}`,
          remember: {
            key: 'seen',
            value: '{% $merge([$memo.seen, $steps.moved.output.{person: date}]) %}',
          },
        },
        {
          name: 'keepMap',
          // After a failed write the rows are read again: one may have been created, or deleted by somebody.
          if: '{% $exists(steps.rows.output.tableValues) or $exists(steps.write.error) %}',
          remember: { key: 'map', value: '{% $exists(steps.write.error) ? null : steps.map.output %}' },
        },
        readRows('current', 'positions', { if: `{% ${isTidyTime} %}`, ...soon }),
        readRows('past', 'history', { if: `{% ${isTidyTime} and ${hasHistory} %}`, ...soon }),
        {
          name: 'outdated',
          call: 'timetonic/{{tables}}/deleteTableRow',
          forEach: `{% $append(${old('current')}, ${old('past')})[[0..499]] %}`,
          input: { rowId: '{% item %}' },
          ...continueOnError,
        },
        {
          name: 'tidied',
          if: '{% $exists(steps.current.output.tableValues) %}',
          remember: { key: 'tidied', value: '{% $millis() %}' },
        },
        {
          name: 'forget',
          if: '{% $count(steps.outdated.output) > 0 %}',
          remember: { key: 'map', value: null },
        },
      ],
    },
  ],
};
