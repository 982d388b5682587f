import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { places, table } from './inputs.ts';
import { readFields, writeRow } from './rows.ts';

const body = 'event.data.body';
const place = `${body}.site & '/' & ${body}.zone & ' ' & ${body}.kind`;
const incident = `${body}.site & '|' & ${body}.zone & '|' & ${body}.kind`;
const isOpen = `${body}.state = 'open'`;
const isClosed = `${body}.state = 'closed'`;
const channelId = "{% steps.channels.output.channels[no = $replace($event.data.body.site, /[^0-9]/, '')].id %}";

/** R1: the radios, the chat and the table are notified in parallel, and none waits for another. */
export const alarmPanel: Recipe = {
  title: 'Alarm panel',
  summary:
    'An alarm panel posts to a hook: an SOS and an alert sound in the channel of the site, the control room has a line, and the incident has a row.',
  requirements: [
    'A ProPTT2 channel whose number is in the name of each site: site S12 is channel 12.',
    'A Talk room for the control room.',
    'A TimeTonic table with the fields EventId, Site, Zone, Kind, Severity, OpenedAt, Status, Ref and ClosedAt.',
  ],
  inputs: {
    ...places,
    incidents: table('The table of incidents, by its code', 'incidents'),
    severities: { title: 'Severities that raise an alarm', type: 'list', default: ['critical', 'high'] },
    windowSeconds: { title: 'Seconds within which the same alarm sounds once', type: 'number', default: 300 },
  },
  hooks: { panel: { name: 'panel', verify: { kind: 'none' } } },
  automations: [
    {
      name: '',
      when: { hook: '{{hook.panel}}' },
      if: `{% ${body}.severity in {{severities}} and ${body}.state in ['open', 'closed'] %}`,
      dedupe: { key: `{% ${incident} & '|' & ${body}.state %}`, seconds: '{{windowSeconds}}' },
      mode: 'single',
      do: [
        {
          parallel: [
            [
              {
                name: 'channels',
                call: 'proptt2/{{radio}}/getChannelList',
                retry: { attempts: 6, seconds: 5 },
                timeout: 10,
                ...continueOnError,
              },
              {
                name: 'siren',
                if: `{% ${isOpen} %}`,
                call: 'proptt2/{{radio}}/sendSosToChannel',
                input: { channelId },
                ...continueOnError,
              },
              {
                name: 'alert',
                if: `{% ${isOpen} %}`,
                call: 'proptt2/{{radio}}/sendAlertToChannel',
                input: { channelId, message: `{% 'ALARM ' & ${place} & ' #' & run.ref %}` },
                ...continueOnError,
              },
              {
                name: 'clear',
                if: `{% ${isClosed} %}`,
                call: 'proptt2/{{radio}}/sendMessageToChannel',
                input: { channelId, message: `{% 'CLEARED ' & ${body}.site & '/' & ${body}.zone & ' #' & run.ref %}` },
                ...continueOnError,
              },
            ],
            [
              {
                name: 'line',
                call: 'talk/{{chat}}/sendChatMessage',
                input: {
                  token: '{{room}}',
                  message: `{% (${isOpen} ? '🔥 ' : 'CLEARED ') & ${place} & ' #' & run.ref %}`,
                },
                ...continueOnError,
              },
            ],
            [
              readFields(continueOnError),
              writeRow(
                'row',
                'incidents',
                '{% "tmp" & $substring($hash(event.id), 0, 12) %}',
                {
                  EventId: '$event.data.body.event_id',
                  Site: '$event.data.body.site',
                  Zone: '$event.data.body.zone',
                  Kind: '$event.data.body.kind',
                  Severity: '$event.data.body.severity',
                  OpenedAt: "$replace($substring($event.data.body.ts, 0, 19), 'T', ' ')",
                  Status: "'Open'",
                  Ref: '$run.ref',
                },
                { if: `{% ${isOpen} %}`, ...continueOnError },
              ),
              {
                name: 'keep',
                if: '{% $exists(steps.row.output) and $type(steps.row.output) = "object" %}',
                remember: {
                  key: `row {% ${incident} %}`,
                  value: '{% $string([steps.row.output.newRows[0].id, steps.row.output.id][0]) %}',
                },
              },
              writeRow(
                'closeRow',
                'incidents',
                `{% $lookup(memo, 'row ' & ${incident}) %}`,
                {
                  Status: "'Closed'",
                  ClosedAt: "$fromMillis($millis(), '[Y0001]-[M01]-[D01] [H01]:[m01]:[s01]')",
                },
                { if: `{% ${isClosed} and $exists($lookup(memo, 'row ' & ${incident})) %}`, ...continueOnError },
              ),
            ],
          ],
        },
      ],
    },
  ],
};
