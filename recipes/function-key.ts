import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { book, channel, chat, radio, room, table, tables } from './inputs.ts';
import { readFields, writeRow } from './rows.ts';

const who =
  '($exists(event.data.senderName) and event.data.senderName != null ? event.data.senderName : event.data.senderId)';
const where = `(event.data.latitude = null ? 'position unknown'
  : 'https://www.openstreetmap.org/?mlat=' & event.data.latitude & '&mlon=' & event.data.longitude)`;

/** R6: the function key of a radio becomes a line, a row and an alert at the supervisors' channel. */
export const functionKey: Recipe = {
  title: 'Function key',
  summary: 'The function key of a radio sends a line to the control room, writes a row and alerts the supervisors.',
  requirements: [
    'The address of the hook as the callback URL at adminWeb.',
    'A TimeTonic table with the fields Person, Channel, Lat, Lon, At and Kind.',
  ],
  inputs: {
    radio,
    chat,
    room,
    videoRoom: {
      title: 'The internal Talk room that gets the addresses of video calls',
      type: 'text',
      choices: 'talk/{chat}/rooms',
    },
    tables,
    ...book,
    presses: table('The table of presses, by its code', 'function_keys'),
    supervisors: channel('The channel of the supervisors'),
  },
  hooks: { callback: { name: 'callback', verify: { kind: 'proptt2-callback', connection: '{{radio}}' } } },
  automations: [
    {
      name: 'key',
      when: { event: 'proptt2.function_key.pressed', connection: 'proptt2/{{radio}}' },
      dedupe: { key: "{% event.data.senderId & '|' & event.data.channelId %}", seconds: 60 },
      do: [
        {
          parallel: [
            [
              {
                name: 'alert',
                call: 'proptt2/{{radio}}/sendAlertToChannel',
                input: { channelId: '{{supervisors}}', message: `{% 'KEY ' & ${who} & ' #' & run.ref %}` },
                ...continueOnError,
              },
            ],
            [
              // A name for the line: it is not waited for.
              {
                name: 'channels',
                call: 'proptt2/{{radio}}/getChannelList',
                retry: { attempts: 1, seconds: 1 },
                timeout: 5,
                ...continueOnError,
              },
              {
                name: 'line',
                call: 'talk/{{chat}}/sendChatMessage',
                input: {
                  token: '{{room}}',
                  message: `{% '🔔 ' & ${who} & ' in ' & ($n := steps.channels.output.channels[id = $event.data.channelId].name; $exists($n) ? $n : 'channel ' & event.data.channelId) & ': ' & ${where} %}`,
                },
                ...continueOnError,
              },
            ],
            [
              readFields(continueOnError),
              writeRow(
                'row',
                'presses',
                '{% "tmp" & $substring($hash(event.id), 0, 12) %}',
                {
                  Person: who.replaceAll('event.', '$event.'),
                  Channel: '$string($event.data.channelId)',
                  Lat: '$event.data.latitude',
                  Lon: '$event.data.longitude',
                  At: "$replace($substring($event.timestamp, 0, 19), 'T', ' ')",
                  Kind: "'Function key'",
                },
                continueOnError,
              ),
            ],
          ],
        },
      ],
    },
    {
      name: 'video',
      when: { event: 'proptt2.video_call.started', connection: 'proptt2/{{radio}}' },
      do: [
        {
          name: 'line',
          call: 'talk/{{chat}}/sendChatMessage',
          input: { token: '{{videoRoom}}', message: `{% '🎥 ' & ${who} & ': ' & event.data.url %}` },
        },
      ],
    },
  ],
};
