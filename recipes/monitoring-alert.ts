import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { alertsIn } from './alerts.ts';
import { isBetween } from './clock.ts';
import { continueOnError } from './errors.ts';
import { channel, places, table } from './inputs.ts';
import { readFields, writeRow } from './rows.ts';

const alert = 'event.data.alert';
/** Retried often enough to be sent soon after a vendor is back, for as long as the message is still relevant. */
const patiently = { retry: { attempts: 20, seconds: 10 } };
const title = `$uppercase(${alert}.severity) & ' ' & ${alert}.summary & (${alert}.source ? ' (' & ${alert}.source & ')' : '')`;
const ref = "'#' & run.ref";

/** JSONata: whether radios are to stay silent about this alert now. */
const isQuiet = `(${alert}.severity in {{quietSeverities}} and ${isBetween('{{quietFrom}}', '{{quietTo}}', '{{timeZone}}')})`;

/** An event of the hook with this alert and one of these actions. */
const alertEvent = (...actions: string[]) => ({
  event: 'trunkline.hook.received',
  connection: '{{hook.alerts}}',
  if: `{% (
    $key := run.event.data.alert.dedup_key;
    $count(${alertsIn('event.data.body')}[dedup_key = $key and action in ${JSON.stringify(actions)}]) > 0
  ) %}`,
});
/** The incident is taken, or it is over. */
const answered = [
  {
    event: 'talk.message.created',
    connection: 'talk/{{chat}}',
    if: `{% event.data.token = {{room}} and event.data.actorType = 'users'
      and $replace($uppercase(event.data.text), /[^A-Z0-9]/, '') = 'ACK' & run.ref %}`,
  },
  { event: 'trunkline.link.opened', if: "{% event.data.runId = run.id and event.data.name = 'ack' %}" },
  {
    event: 'proptt2.function_key.pressed',
    connection: 'proptt2/{{radio}}',
    if: '{% event.data.channelId = {{keyChannel}} %}',
  },
  alertEvent('acknowledge', 'resolve'),
];
const isOpen = '$not($exists(steps.taken.output.id) or $exists(steps.takenLate.output.id))';
const escalates = `${alert}.severity in {{escalated}} and $not(${isQuiet})`;
/** JSONata: who took the incident; nothing when it was resolved or nobody did. */
const taker = `(
  $answer := [steps.taken.output, steps.takenLate.output][$exists(id)][0];
  $type := $answer.type;
  $type = 'talk.message.created' ? $answer.data.actorId
    : $type = 'proptt2.function_key.pressed' ? $string($answer.data.senderId)
    : $type = 'trunkline.link.opened' ? 'the link'
    : $type = 'trunkline.hook.received'
      ? ($count(${alertsIn('$answer.data.body')}[dedup_key = $run.event.data.alert.dedup_key and action = 'acknowledge']) > 0
          ? 'the monitoring tool')
)`;

const wasNotified = (step: string) => `($type(steps.${step}.output) = 'object' or $exists(steps.${step}.error))`;
const end = (name: string, condition: string) => ({
  name,
  if: `{% $exists(steps.resolved.output.id) and ${condition} %}`,
  call: 'talk/{{chat}}/sendChatMessage',
  input: { token: '{{room}}', message: `{% 'RESOLVED ' & ${title} & ' ' & ${ref} %}` },
  ...continueOnError,
});

/** R12: an incident is announced once, escalates until somebody takes it, and ends with its alert. */
export const monitoringAlert: Recipe = {
  title: 'Monitoring alert',
  summary:
    'Alerts from Alertmanager, Grafana, PagerDuty or Uptime Kuma go to chat and radio once, and escalate until somebody takes them.',
  requirements: [
    'The address of the hook as the receiver of a monitoring tool.',
    'A Talk room for those on call. With a Talk bot, acknowledgements arrive at once; without one, within a minute.',
    'Three ProPTT2 channels: for those on call, for the next in line, and for everybody.',
    'A TimeTonic table with the fields Key, Severity, Summary, Source, Link, OpenedAt, Status, Ref and ResolvedAt.',
    'For acknowledgements by function key, a hook for the CallbackAPI of ProPTT2, such as that of the recipe function-key.',
  ],
  inputs: {
    ...places,
    incidents: table('The table of escalated incidents, by its code', 'monitoring'),
    onCall: channel('The channel that gets each incident'),
    next: channel('The channel that gets an alert when nobody takes it'),
    everybody: channel('The channel that gets an SOS in the end'),
    keyChannel: {
      ...channel('The channel in which a press of the function key takes all open incidents; 0: none'),
      default: 0,
    },
    firstSeconds: { title: 'Seconds until the alert', type: 'number', default: 300 },
    secondSeconds: { title: 'Seconds from the alert until the SOS', type: 'number', default: 300 },
    calmSeconds: {
      title:
        'Seconds after an incident in which the same alert opens no other, so that a flapping alert is announced once',
      type: 'number',
      default: 60,
    },
    escalated: { title: 'Severities that escalate', type: 'list', default: ['critical', 'warning'] },
    quietSeverities: {
      title: 'Severities that reach the chat only in quiet hours',
      type: 'list',
      default: ['warning', 'info'],
    },
    quietFrom: { title: 'Start of the quiet hours, HH:MM', type: 'text', default: '22:00' },
    quietTo: { title: 'End of the quiet hours, HH:MM', type: 'text', default: '06:00' },
    timeZone: { title: 'The IANA time zone of the quiet hours', type: 'text', default: 'UTC' },
    perMinute: { title: 'Incidents announced individually per minute', type: 'number', default: 20 },
  },
  hooks: { alerts: { name: 'alerts', verify: { kind: 'none' } } },
  automations: [
    {
      name: 'incident',
      when: { event: 'trunkline.automation.started' },
      // One that comes while the incident is open, or shortly after, waits: it is announced if it is still open by then.
      dedupe: { key: `{% ${alert}.dedup_key %}`, seconds: 1 },
      mode: 'queue',
      maxPerMinute: '{{perMinute}}',
      do: [
        {
          name: 'page',
          if: `{% $not(${isQuiet}) %}`,
          call: 'proptt2/{{radio}}/sendMessageToChannel',
          input: { channelId: '{{onCall}}', message: `{% ${title} & ' ' & ${ref} %}` },
          unless: alertEvent('resolve'),
          ...patiently,
          ...continueOnError,
        },
        {
          name: 'line',
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{{room}}',
            message: `{% '🔔 ' & ${title} & ' ' & ${ref} & (${alert}.link ? ' ' & ${alert}.link : '')
              & '\\nTake it: ack ' & ${ref} & ' or ' & $link('ack') %}`,
          },
          unless: alertEvent('resolve'),
          ...patiently,
          ...continueOnError,
        },
        { name: 'taken', waitFor: { any: answered, seconds: '{{firstSeconds}}' } },
        {
          name: 'alert',
          if: `{% ${isOpen} and ${escalates} %}`,
          call: 'proptt2/{{radio}}/sendAlertToChannel',
          input: { channelId: '{{next}}', message: `{% ${title} & ' ' & ${ref} %}` },
          unless: answered,
          ...continueOnError,
        },
        {
          name: 'takenLate',
          if: `{% ${isOpen} and ${alert}.severity in {{escalated}} %}`,
          waitFor: { any: answered, seconds: '{{secondSeconds}}' },
        },
        {
          name: 'sos',
          if: `{% ${isOpen} and ${escalates} %}`,
          call: 'proptt2/{{radio}}/sendSosToChannel',
          input: { channelId: '{{everybody}}' },
          unless: answered,
          ...continueOnError,
        },
        readFields({ if: `{% ${isOpen} and ${escalates} %}`, ...patiently, ...continueOnError }),
        writeRow(
          'row',
          'incidents',
          '{% "tmp" & $substring($hash(run.id), 0, 12) %}',
          {
            Key: '$event.data.alert.dedup_key',
            Severity: '$event.data.alert.severity',
            Summary: '$event.data.alert.summary',
            Source: '$event.data.alert.source',
            Link: '$event.data.alert.link',
            OpenedAt: "$replace($substring($run.startedAt, 0, 19), 'T', ' ')",
            Status: "'Escalated'",
            Ref: '$run.ref',
          },
          { if: `{% ${isOpen} and ${escalates} %}`, ...patiently, ...continueOnError },
        ),
        { name: 'taker', set: `{% ${taker} %}` },
        {
          name: 'takenLine',
          if: '{% steps.taker.output != null %}',
          call: 'talk/{{chat}}/sendChatMessage',
          input: { token: '{{room}}', message: `{% 'Taken by ' & steps.taker.output & ': ' & ${ref} %}` },
          ...continueOnError,
        },
        { name: 'resolved', waitFor: { ...alertEvent('resolve'), seconds: 7 * 86_400 } },
        // The end is announced even if only the radios got the incident; what nobody received has no end.
        end('end', wasNotified('line')),
        end('lateEnd', `$not(${wasNotified('line')}) and ${wasNotified('page')}`),
        writeRow(
          'closeRow',
          'incidents',
          '{% $string([steps.row.output.newRows[0].id, steps.row.output.id][0]) %}',
          {
            Status: "'Resolved'",
            ResolvedAt: "$fromMillis($millis(), '[Y0001]-[M01]-[D01] [H01]:[m01]:[s01]')",
          },
          {
            if: '{% $type(steps.row.output) = "object" and $exists(steps.resolved.output.id) %}',
            ...continueOnError,
          },
        ),
        {
          name: 'calm',
          if: `{% ${wasNotified('line')} or ${wasNotified('page')} %}`,
          wait: { seconds: '{{calmSeconds}}' },
        },
      ],
    },
    {
      name: 'post',
      when: { hook: '{{hook.alerts}}' },
      maxPerMinute: 600,
      do: [
        { name: 'alerts', set: `{% ${alertsIn('event.data.body')}[] %}` },
        {
          name: 'incidents',
          start: '{{installation}}: incident',
          forEach: "{% steps.alerts.output[action = 'trigger'] %}",
          input: { alert: '{% item %}' },
          ...continueOnError,
        },
      ],
    },
    {
      name: 'flood',
      when: { event: 'trunkline.runs.suppressed' },
      if: "{% event.data.automation = {{installation}} & ': incident' %}",
      do: [
        {
          name: 'page',
          call: 'proptt2/{{radio}}/sendMessageToChannel',
          input: { channelId: '{{onCall}}', message: '…and {% event.data.count %} more alerts' },
          ...continueOnError,
        },
        {
          name: 'line',
          call: 'talk/{{chat}}/sendChatMessage',
          input: { token: '{{room}}', message: '…and {% event.data.count %} more alerts' },
        },
      ],
    },
  ],
};
