import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { places, table } from './inputs.ts';
import { dateCell, fieldFrom, fieldIds, readFields, rowsOf, writeRows } from './rows.ts';

const soon = { retry: { attempts: 3, seconds: 5 }, timeout: 20 };
const pageSize = 100;
/** Pages overlap, so that a deleted recording does not make another one slip through between two of them. */
const step = 90;
/** Recordings that one run exports; the rest follows with the next. */
const most = 400;
/** Recordings may be finished out of order: ids this far below the newest exported one are still checked. */
const overlapIds = 500;

const watermark = '($exists(memo.exported) ? memo.exported.watermark : 0)';

/** JSONata: the finished recordings that are not exported, oldest first. */
const fresh = `(
  $done := $memo.exported;
  $from := $exists($done) ? $done.watermark - ${overlapIds} : 0;
  $byId := $merge($steps.pages.output.page.output.records[status = 10 and id > $from and $not(id in $done.ids)].{$string(id): $});
  [$sort($each($byId, function($record) {$record}), function($one, $other) {$one.id > $other.id})[[0..${most - 1}]].{
    "id": id,
    "kind": $lookup({"10": "Audio", "20": "Video", "31": "Shared video"}, $string(type)),
    "sizeKB": fileSize,
    "channelNo": channelNo,
    "channel": channelName,
    "speaker": ownerName,
    "at": $parseTime(createDate, {{timeZone}})
  }]
)`;

const records = '$item.records';
const rows = (of: string, suffix: string) =>
  rowsOf(fieldIds('recordings'), of, `'tmp' & $one.id & '${suffix}'`, {
    RecordId: '$string($one.id)',
    Kind: '$one.kind',
    SizeKB: '$one.sizeKB',
    ChannelNo: '$one.channelNo',
    Channel: '$one.channel',
    Speaker: '$one.speaker',
    RecordedAt: dateCell('$one.at'),
    Path: '$steps.paths.output[id = $one.id].filepath',
  });
/** JSONata: the recordings of a batch that are not in the table after a write in doubt. */
const missing = `(
  $there := $steps.back.output.tableValues.rows.fields.RecordId.($string(value));
  [${records}[$not($string(id) in $there)]]
)`;
const isInDoubt = '$exists(steps.put.error)';
/** After a batch that failed no later one is written, so that nothing below the watermark is missing. */
const isNext = '$not($exists(item.after)) or item.after in memo.exported.ids';
const isWritten = `$exists(steps.put.output.modified) or (${isInDoubt} and $exists(steps.back.output)
  and ($count(${missing}) = 0 or $exists(steps.again.output.modified)))`;

/** R3: every night the new recordings become rows, and a list of them goes to the chat. */
export const recordings: Recipe = {
  title: 'Recordings',
  summary: 'Every night the new recordings are written into a TimeTonic table, and the room gets a CSV file of them.',
  requirements: [
    'A TimeTonic table with the fields RecordId, Kind, SizeKB, ChannelNo, Channel, Speaker, RecordedAt and Path.',
    'A Talk room whose account may share files.',
  ],
  inputs: {
    ...places,
    recordings: table('The table of recordings, by its code', 'ptt_recordings'),
    cron: { title: 'When they are exported', type: 'text', default: '10 2 * * *' },
    zone: { title: 'The time zone of that hour', type: 'text', default: 'UTC' },
    timeZone: { title: 'The time zone of the dates that the ProPTT2 server sends', type: 'text', default: 'UTC' },
    withPath: { title: 'Whether the path of each file is read, one call each', type: 'boolean', default: false },
  },
  automations: [
    {
      name: '',
      when: { schedule: { cron: '{{cron}}', timeZone: '{{zone}}' } },
      mode: 'single',
      do: [
        {
          name: 'pages',
          repeat: {
            do: [
              {
                name: 'page',
                call: 'proptt2/{{radio}}/getRecordList',
                input: { start: `{% (item - 1) * ${step} %}`, pageSize },
                ...soon,
              },
            ],
            // Newest first, the rest is known as soon as a whole page is.
            until: `{% (
              $records := $steps.page.output.records;
              $count($records) < ${pageSize}
                or ($records[0].id > $records[-1].id and $max($records.id) <= ${watermark} - ${overlapIds})
            ) %}`,
            max: 100,
          },
        },
        { name: 'fresh', set: `{% ${fresh} %}` },
        readFields({ if: '{% $count(steps.fresh.output) > 0 %}', ...soon, ...continueOnError }),
        {
          name: 'paths',
          call: 'proptt2/{{radio}}/getRecord',
          forEach: '{% {{withPath}} ? steps.fresh.output : [] %}',
          input: { recordId: '{% item.id %}' },
          ...soon,
          ...continueOnError,
        },
        {
          name: 'write',
          forEach: `{% $exists(steps.tables.error) ? [] : (
            $list := $steps.fresh.output;
            [[0..$ceil($count($list) / 10) - 1].(
              $first := $ * 10;
              {"records": [$list[[$first..$first + 9]]], "after": $first > 0 ? $list[$first - 1].id}
            )]
          ) %}`,
          do: [
            writeRows('put', rows(records, ''), { if: `{% ${isNext} %}`, ...continueOnError }),
            // If the answer was lost, only the table knows which rows were made.
            {
              name: 'back',
              if: `{% ${isInDoubt} %}`,
              call: 'timetonic/{{tables}}/getNamedTableValues',
              input: {
                bookOwner: '{{bookOwner}}',
                bookCode: '{{bookCode}}',
                tableCode: '{{recordings}}',
                format: 'rows',
                filterRowIds: {
                  applyViewFilters: {
                    filterGroup: {
                      operator: 'or',
                      filters: `{% (
                        ${fieldFrom(fieldIds('recordings'))};
                        [${records}.{
                          "field_id": $field('RecordId'), "filter_type": "text",
                          "json": {"predicate": "is", "operand": $string(id)}}]
                      ) %}`,
                    },
                  },
                },
              },
              ...soon,
              ...continueOnError,
            },
            writeRows('again', rows(missing, '-2'), {
              if: `{% ${isInDoubt} and $count(${missing}) > 0 %}`,
              ...continueOnError,
            }),
            {
              name: 'exported',
              if: `{% ${isWritten} %}`,
              remember: {
                key: 'exported',
                value: `{% (
                  $ids := $append($memo.exported.ids, ${records}.id);
                  $mark := $max($append($memo.exported.watermark, $ids));
                  {"watermark": $mark, "ids": [$ids[$ > $mark - ${overlapIds}]]}
                ) %}`,
              },
            },
          ],
          ...continueOnError,
        },
        {
          name: 'done',
          set: `{% [$filter($steps.fresh.output, function($record, $at) {
            $steps.write.output[$floor($at / 10)].exported.output.written})] %}`,
        },
        {
          name: 'csv',
          if: '{% $count(steps.done.output) > 0 %}',
          call: 'talk/{{chat}}/sendFile',
          input: {
            token: '{{room}}',
            file: {
              name: `ptt-recordings-{% $fromMillis($millis(), '[Y0001]-[M01]-[D01]') %}.csv`,
              type: 'text/csv',
              base64: `{% (
                $cell := function($text) {
                  /* Spreadsheets evaluate a text that starts like a formula. */
                  '"' & $replace($replace($string($text), /^[=+@-]/, "'$0"), '"', '""') & '"'
                };
                $base64encode($join($append(
                  'RecordId,Kind,SizeKB,ChannelNo,Channel,Speaker,RecordedAt',
                  $steps.done.output.$join([$string(id), kind, $string(sizeKB), $cell(channelNo), $cell(channel), $cell(speaker), $fromMillis(at)], ',')
                ), '\\r\\n') & '\\r\\n')
              ) %}`,
            },
          },
          ...continueOnError,
        },
        {
          name: 'line',
          if: '{% $count(steps.done.output) > 0 %}',
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{{room}}',
            message: `{% 'PTT recordings: ' & $count(steps.done.output) & ' new' & ($exists(steps.csv.error)
              ? ', but their list was not sent: ' & steps.csv.error.message : ', see the file above') %}`,
          },
          ...continueOnError,
        },
        {
          name: 'failedLine',
          if: '{% $count(steps.done.output) < $count(steps.fresh.output) %}',
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{{room}}',
            message: `{% '⚠️ PTT recordings: ' & ($count(steps.fresh.output) - $count(steps.done.output)) & ' not exported, they follow with the next run: '
              & [steps.tables.error.message, steps.write.error.message][0] %}`,
          },
          ...continueOnError,
        },
      ],
    },
  ],
};
