import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { channel, places, table } from './inputs.ts';
import { dateCell, fieldIdsRead, readRows, writeRowWith } from './rows.ts';

/** A person's safety depends on these reads, so they are not retried for minutes: the failure itself is the alarm. */
const soon = { retry: { attempts: 2, seconds: 3 }, timeout: 10, ...continueOnError };
const say = (name: string, message: string, more: object = {}) => ({
  name,
  call: 'talk/{{chat}}/sendChatMessage',
  input: { token: '{{room}}', message },
  ...more,
  ...continueOnError,
});

/** JSONata: the people to check. They stay known while the table cannot be read; nothing if they never were. */
const people = `$count({{people}}) > 0 ? {"list": [{{people}}.{"person": $}]}
  : $exists($steps.people.output.tableValues) ? (
    $fields := ${fieldIdsRead('people')};
    {"list": [$steps.people.output.tableValues.rows[
      $lowercase($string(fields.OnShift.value)) in ['yes', 'true', '1', 'on'] and $string(fields.Person.value) != ''
    ].{
      "person": $string(fields.Person.value),
      "talkUser": fields.TalkUser.value,
      "rowId": $string(id),
      "fields": $fields
    }]})
  : $memo.people`;

/** JSONata: each person with user id, position and state. The time of an outage does not count. */
const plan = `(
  $now := $millis();
  $known := ${people};
  $users := $steps.users.output.users;
  $blind := $not($exists($users) and $exists($known.list));
  $gap := $exists($memo.outage) ? {"from": $memo.outage, "to": $now} : $memo.gap;
  $all := $blind ? [] : [$known.list.(
    $worker := $;
    $user := $users[strId = $worker.person][0];
    $at := $exists($user.locationDate) ? $parseTime($user.locationDate, {{timeZone}});
    $since := $not($exists($at) and $exists($gap)) or $at >= $gap.to ? $at
      : $at >= $gap.from ? $gap.to : $at + $gap.to - $gap.from;
    $merge([$worker, {
      "name": $exists($user.name) ? $user.name : $worker.person,
      "userId": $user.id,
      "locationDate": $user.locationDate,
      "position": $type($user.latitude) = 'number' and $type($user.longitude) = 'number'
        ? 'https://www.openstreetmap.org/?mlat=' & $user.latitude & '&mlon=' & $user.longitude : 'position unknown',
      "state": $not($exists($at)) ? 'no data' : $at > $now + 300000 ? 'future'
        : $now - $since > {{limitSeconds}} * 1000 ? 'overdue' : 'ok'
    }])
  )];
  {
    "blind": $blind,
    "why": [$steps.users.error.message, $steps.people.error.message][0],
    "list": $known.list,
    "overdue": [$all[state = 'overdue']],
    "unwatched": $join([
      $all[state = 'future'].(name & ': position in the future, check the time zone'),
      $all[state = 'no data'].(name & ': no data')
    ], '; '),
    "future": $count($all[state = 'future'])
  }
)`;
const isBlind = 'steps.plan.output.blind';

const worker = 'event.data';
const isSigned = '$exists(steps.sign1.output.id) or $exists(steps.sign2.output.id)';
const lastSeen = `${worker}.name & ' since ' & ${worker}.locationDate & ', ' & ${worker}.position & ' #' & run.ref`;
/** The next sign of life: a newer position, a function key, an "ok" in the chat, or the link. */
const sign = (name: string, seconds: unknown, more: object = {}) => ({
  name,
  ...more,
  waitFor: {
    any: [
      {
        event: 'proptt2.user.located',
        connection: 'proptt2/{{radio}}',
        if: `{% event.data.userId = run.${worker}.userId and event.data.locationDate != run.${worker}.locationDate %}`,
      },
      {
        event: 'proptt2.function_key.pressed',
        connection: 'proptt2/{{radio}}',
        if: `{% event.data.senderId = run.${worker}.person %}`,
      },
      {
        event: 'talk.message.created',
        connection: 'talk/{{chat}}',
        if: `{% event.data.token = {{room}} and event.data.actorType = 'users' and (
          $text := $lowercase($trim(event.data.text));
          $text = $lowercase('ok #' & run.ref) or ($text = 'ok' and event.data.actorId = run.${worker}.talkUser)) %}`,
      },
      { event: 'trunkline.link.opened', if: '{% event.data.runId = run.id %}' },
    ],
    seconds,
  },
});
const ofWorker = { fields: `$event.data.fields`, row: `{% ${worker}.rowId %}` };

/** R7: a person without a sign of life gets a message, then the supervisors an alert, then an SOS sounds. An outage is an alarm as well. */
export const loneWorker: Recipe = {
  title: 'Lone worker',
  summary:
    'People whose last position is too old are asked to check in; without an answer the supervisors are alerted and an SOS sounds. A failing check raises an alarm as well.',
  requirements: [
    'Radios that send their position. The ProPTT2 connection and this recipe use the same time zone.',
    'A TimeTonic table with the fields Person (the user id), TalkUser, OnShift, Status, Ref, OverdueAt and ClosedAt, or a list of people.',
    'For the function key as a sign of life: the callback of the recipe function-key.',
  ],
  inputs: {
    ...places,
    workers: table('The table of lone workers, by its code', 'lone_workers'),
    people: {
      title: 'The user ids of the people to check, if they are not in the table',
      type: 'list',
      default: [],
      choices: 'proptt2/{radio}/users',
    },
    supervisors: channel('The channel of the supervisors'),
    timeZone: { title: 'The time zone of the dates that the ProPTT2 server sends', type: 'text', default: 'UTC' },
    limitSeconds: { title: 'Seconds without a position until a check-in is asked for', type: 'number', default: 1200 },
    alertAfterSeconds: { title: 'Seconds from there to the alert', type: 'number', default: 300 },
    sosAfterSeconds: { title: 'Seconds from the alert to the SOS', type: 'number', default: 600 },
    refreshSeconds: { title: 'Seconds between two reads of the table', type: 'number', default: 300 },
  },
  automations: [
    {
      name: 'person',
      when: { event: 'trunkline.automation.started' },
      if: `{% $not($exists($lookup(memo, 'ok ' & ${worker}.person))) %}`,
      dedupe: { key: `{% ${worker}.person %}`, seconds: 1 },
      do: [
        {
          name: 'checkIn',
          call: 'proptt2/{{radio}}/sendMessageToUser',
          input: {
            userId: `{% ${worker}.userId %}`,
            message: "Check-in please #{% run.ref %} {% $link('ok') %}",
          },
          ...continueOnError,
        },
        sign('sign1', '{{alertAfterSeconds}}'),
        {
          name: 'alert',
          if: `{% $not(${isSigned}) %}`,
          call: 'proptt2/{{radio}}/sendAlertToChannel',
          input: { channelId: '{{supervisors}}', message: `{% 'NO SIGN OF ' & ${lastSeen} %}` },
          ...continueOnError,
        },
        sign('sign2', '{{sosAfterSeconds}}', { if: '{% $not($exists(steps.sign1.output.id)) %}' }),
        {
          name: 'sos',
          if: `{% $not(${isSigned}) %}`,
          call: 'proptt2/{{radio}}/sendSosToChannel',
          input: { channelId: '{{supervisors}}' },
          ...continueOnError,
        },
        say('line', `{% '🆘 ' & ${lastSeen} & ' (ok #' & run.ref & ')' %}`, { if: `{% $not(${isSigned}) %}` }),
        writeRowWith(
          'row',
          ofWorker.fields,
          ofWorker.row,
          { Status: "'Overdue'", Ref: '$run.ref', OverdueAt: dateCell('$millis()') },
          { if: `{% $not(${isSigned}) and $exists(${worker}.rowId) %}`, ...continueOnError },
        ),
        sign('sign3', 604_800, { if: `{% $not(${isSigned}) %}` }),
        // A position shows itself; what else was a sign counts for as long as a position would.
        {
          name: 'rest',
          remember: { key: `ok {% ${worker}.person %}`, value: '{% $millis() %}', seconds: '{{limitSeconds}}' },
        },
        say('okLine', `{% 'OK ' & ${worker}.name & ' #' & run.ref %}`),
        writeRowWith(
          'closeRow',
          ofWorker.fields,
          ofWorker.row,
          { Status: "'OK'", Ref: '$run.ref', ClosedAt: dateCell('$millis()') },
          { if: `{% $exists(${worker}.rowId) %}`, ...continueOnError },
        ),
      ],
    },
    {
      name: 'check',
      when: { schedule: { everySeconds: 60 } },
      mode: 'single',
      do: [
        readRows('people', 'workers', {
          if: `{% $count({{people}}) = 0 and ($not($exists(memo.people)) or $millis() - memo.people.at >= {{refreshSeconds}} * 1000) %}`,
          ...soon,
        }),
        { name: 'users', call: 'proptt2/{{radio}}/getUserList', ...soon },
        { name: 'plan', set: `{% ${plan} %}` },
        {
          name: 'keep',
          if: '{% $exists(steps.people.output.tableValues) %}',
          remember: { key: 'people', value: { at: '{% $millis() %}', list: '{% steps.plan.output.list %}' } },
        },
        {
          if: `{% ${isBlind} %}`,
          parallel: [
            [
              {
                name: 'outage',
                remember: { key: 'outage', value: '{% $exists(memo.outage) ? memo.outage : $millis() %}' },
              },
            ],
            [
              // Repeated every half hour for as long as it lasts.
              { name: 'announced', remember: { key: 'announced', value: true, seconds: 1800, expect: null } },
              say('blindLine', '⚠️ MONITORING BLIND, lone workers are not watched: {% steps.plan.output.why %}', {
                if: '{% steps.announced.output.written %}',
              }),
              {
                name: 'blindAlert',
                if: '{% steps.announced.output.written %}',
                call: 'proptt2/{{radio}}/sendAlertToChannel',
                input: { channelId: '{{supervisors}}', message: 'MONITORING BLIND, lone workers are not watched' },
                ...continueOnError,
              },
            ],
          ],
        },
        {
          if: `{% $not(${isBlind}) and $exists(memo.outage) %}`,
          parallel: [
            [
              {
                name: 'gap',
                remember: {
                  key: 'gap',
                  value: { from: '{% memo.outage %}', to: '{% $millis() %}' },
                  seconds: '{{limitSeconds}}',
                },
              },
              { name: 'over', remember: { key: 'outage', value: null } },
              { name: 'recovered', remember: { key: 'announced', value: null } },
            ],
            [say('backLine', 'Lone workers are watched again')],
          ],
        },
        {
          if: `{% $not(${isBlind}) and steps.plan.output.unwatched != ($exists(memo.unwatched) ? memo.unwatched : '') %}`,
          parallel: [
            [{ name: 'unwatched', remember: { key: 'unwatched', value: '{% steps.plan.output.unwatched %}' } }],
            [
              say(
                'unwatchedLine',
                `{% steps.plan.output.unwatched = '' ? 'Every lone worker is watched'
                  : '⚠️ Not watched: ' & steps.plan.output.unwatched %}`,
              ),
            ],
          ],
        },
        {
          name: 'persons',
          start: '{{installation}}: person',
          forEach: '{% steps.plan.output.overdue %}',
          input: {
            person: '{% item.person %}',
            userId: '{% item.userId %}',
            name: '{% item.name %}',
            locationDate: '{% item.locationDate %}',
            position: '{% item.position %}',
            talkUser: '{% item.talkUser %}',
            rowId: '{% item.rowId %}',
            fields: '{% item.fields %}',
          },
          ...continueOnError,
        },
        {
          name: 'suspended',
          if: '{% steps.plan.output.future > 0 %}',
          set: "{% $error('Not watched: ' & steps.plan.output.unwatched) %}",
        },
      ],
    },
  ],
};
