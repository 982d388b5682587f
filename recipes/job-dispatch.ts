import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { book, radio, table, tables } from './inputs.ts';
import { dateCell, readFields, readRows, writeRow } from './rows.ts';

/** A radio that is away for a minute delays a job, and loses none. */
const patiently = { retry: { attempts: 12, seconds: 5 }, timeout: 10, ...continueOnError };

const job = 'event.data';
const person = `$steps.users.output.users[strId = $event.data.assignee].id`;
const channelId = `$steps.channels.output.channels[no = $event.data.site].id`;
const text = `'JOB ' & ${job}.rowId & ' ' & ${job}.title & ' @' & ${job}.site & ' P' & ${job}.prio`;
/** What a job is about: the same again is not sent again. */
const content = `${job}.title & '|' & ${job}.site & '|' & ${job}.assignee & '|' & ${job}.prio`;
const isNew = `($before := $lookup(memo, 'sent ' & ${job}.rowId); $not($exists($before)) or $before != (${content}))`;
const isUnknown = `$exists(steps.users.output.users) and $not($exists(${person}))`;
const isAlert = `${job}.prio = '1' or (${isUnknown})`;
const status = `(
  $error := [$steps.users.error.message, $steps.channels.error.message, $steps.text.error.message, $steps.alert.error.message][0];
  $exists($error) ? 'Dispatch failed: ' & $error
  : ${isUnknown} ? 'Dispatch failed: user not found'
  : (${isAlert}) and $not($exists(${channelId})) ? 'Dispatch failed: no channel ' & ${job}.site
  : 'Dispatched'
)`;

const fields = ['rowId', 'title', 'site', 'assignee', 'prio'];
const jobOf = (from: string) => Object.fromEntries(fields.map((name) => [name, `{% $string(${from}.${name}) %}`]));

/** R4: a row is sent as a text to the radio of its assignee, and then shows the outcome. */
export const jobDispatch: Recipe = {
  title: 'Job dispatch',
  summary:
    'A row of TimeTonic is sent to the radio of its assignee; an urgent one, or one whose assignee is unknown, is an alert in the channel of the site. The row shows the outcome.',
  requirements: [
    'A TimeTonic table with the fields Title, Site, Assignee, Prio, Status, DispatchedAt and DispatchRef.',
    'A "Call an API" automation of TimeTonic that posts rowId, title, site, assignee and prio to the hook with its secret as Bearer token, or polling.',
    'A ProPTT2 channel whose number is the site.',
  ],
  inputs: {
    radio,
    tables,
    ...book,
    jobs: table('The table of jobs, by its code', 'jobs'),
    polling: { title: 'Whether to poll for rows with the status New as well', type: 'boolean', default: false },
    pollSeconds: { title: 'Seconds between two polls', type: 'number', default: 300 },
  },
  hooks: { jobs: { name: 'jobs', verify: { kind: 'bearer' } } },
  automations: [
    {
      name: 'dispatch',
      when: { event: 'trunkline.automation.started' },
      dedupe: { key: `{% ${job}.rowId & '|' & ${content} %}`, seconds: 1 },
      do: [
        { name: 'users', call: 'proptt2/{{radio}}/getUserList', ...patiently },
        { name: 'channels', call: 'proptt2/{{radio}}/getChannelList', ...patiently },
        {
          name: 'text',
          if: `{% $exists(${person}) and ${isNew} %}`,
          call: 'proptt2/{{radio}}/sendMessageToUser',
          input: { userId: `{% ${person} %}`, message: `{% ${text} %}` },
          ...continueOnError,
        },
        {
          name: 'alert',
          if: `{% (${isAlert}) and $exists(${channelId}) and ${isNew} %}`,
          call: 'proptt2/{{radio}}/sendAlertToChannel',
          input: { channelId: `{% ${channelId} %}`, message: `{% ${text} %}` },
          ...continueOnError,
        },
        {
          name: 'sent',
          if: '{% $exists(steps.text.output.code) or $exists(steps.alert.output.code) %}',
          remember: { key: `sent {% ${job}.rowId %}`, value: `{% ${content} %}`, seconds: 2_592_000 },
        },
        readFields(continueOnError),
        writeRow(
          'row',
          'jobs',
          `{% ${job}.rowId %}`,
          { Status: status, DispatchedAt: dateCell('$millis()'), DispatchRef: '$run.ref' },
          continueOnError,
        ),
      ],
    },
    {
      name: '',
      when: { hook: '{{hook.jobs}}' },
      maxPerMinute: 600,
      do: [{ name: 'dispatch', start: '{{installation}}: dispatch', input: jobOf('event.data.body') }],
    },
    {
      name: 'poll',
      enabled: '{{polling}}',
      when: { schedule: { everySeconds: '{{pollSeconds}}' } },
      mode: 'single',
      do: [
        readRows('rows', 'jobs'),
        {
          name: 'new',
          set: `{% [$steps.rows.output.tableValues.rows[fields.Status.value = 'New'].{
            "rowId": $string(id),
            "title": fields.Title.value,
            "site": fields.Site.value,
            "assignee": fields.Assignee.value,
            "prio": fields.Prio.value
          }] %}`,
        },
        {
          name: 'dispatch',
          start: '{{installation}}: dispatch',
          forEach: '{% steps.new.output %}',
          input: jobOf('item'),
        },
      ],
    },
  ],
};
