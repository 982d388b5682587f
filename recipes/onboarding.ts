import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { book, chat, radio, table, tables } from './inputs.ts';
import { fieldIdsRead, readRows, rowsOf, writeRows } from './rows.ts';

const soon = { retry: { attempts: 3, seconds: 2 } };
/** Codes after which no further row is tried, because the vendor is down. The rows keep their status for the next post. */
const away = ['vendor_unreachable', 'vendor_failed', 'vendor_maintenance', 'vendor_timeout', 'outcome_unknown'];
const full = 'vendor_not_acceptable';
const inOrder = { concurrency: 1, stopOn: away };

/** JSONata: the rows with a status as people; without their passwords, which only the step that needs them reads. */
const people = (status: string) => `[$steps.rows.output.tableValues.rows[fields.Status.value = '${status}'].(
  $row := $;
  $cell := function($name) {(
    $value := $lookup($row.fields, $name).value;
    $exists($value) and $value != null ? $trim($string($value)) : ''
  )};
  $list := function($name) {[$split($cell($name), /\\s*,\\s*/)[$ != '']]};
  {
    'rowId': $string(id),
    'email': $cell('Email'),
    'name': $cell('Name'),
    'type': $cell('Type') = '' ? 50 : $number($cell('Type')),
    'channels': $list('Channels'),
    'talkUser': $cell('TalkUser'),
    'rooms': $list('TalkRooms'),
    'userId': $cell('PttUserId')
  }
)]`;
/** JSONata: who is to be in, or to leave, which Talk room. */
const inRooms = (who: string) => `[$steps.${who}.output[talkUser != ''].($person := $; rooms.{
  'rowId': $person.rowId, 'user': $person.talkUser, 'token': $
})]`;
/** JSONata: the items of a step's list, each with its output and its error, or null. An index in a list of lists takes no search. */
const ends = (step: string, list: string) => `(
  $of := function($found) {$type($found) = 'array' ? $found : [$map($steps.${list}.output, function($each) {null})]};
  $zip($steps.${list}.output, $of($steps.${step}.output), $of($steps.${step}.errors))
)`;
/** JSONata: what went wrong in a step with a list, by row, and whether to try again. What is gone already did not go wrong. */
const wrong = (step: string, list: string) => `(
  $ends := ${ends(step, list)};
  $stop := [$ends#$place[$[2].code in ${JSON.stringify(away)}].$place][0];
  $ends#$at.(
    $error := $[2];
    $error and $error.code in ['vendor_not_found', 'user_not_found', 'not_participant'] ? ()
      : $error ? {'rowId': $[0].rowId, 'text': $error.message, 'again': $error.code in ${JSON.stringify(away)}}
      : $exists($stop) and $at > $stop ? {'rowId': $[0].rowId, 'text': 'Not tried yet', 'again': true}
  )
)`;
/** JSONata: a function that gives what went wrong for a row in two steps. */
const problemsOf = (...steps: readonly (readonly [string, string])[]) => `(
  $byRow := [${steps.map(([step, list]) => wrong(step, list)).join(', ')}]{rowId: [$]};
  function($row) {[$lookup($byRow, $row)]}
)`;

/** Writes the outcome into the rows, ten at a time; the values are JSONata over the entries of a list. */
const writeBack = (name: string, list: string, values: Record<string, string>) =>
  writeRows(name, rowsOf('$steps.ids.output', `$steps.${list}.output`, 'rowId', values), {
    if: `{% $count(steps.${list}.output) > 0 %}`,
    ...soon,
    ...continueOnError,
  });

/** R10: approved rows become radio users with channels and rooms, leaving rows lose them; each row shows the outcome. */
export const onboarding: Recipe = {
  title: 'Onboarding',
  summary:
    'Rows with the status Approved become radio users in their channels and Talk rooms; rows with the status Leaving lose both. Each row shows the outcome.',
  requirements: [
    'A TimeTonic table with the fields Email, Name, TempPassword, Type, Channels, TalkUser, TalkRooms, Status, PttUserId and Error.',
    'A button or an automation in TimeTonic that posts to the hook ("Call an API", Bearer), or a post of your own.',
    'A key with the scope proptt2/CONNECTION/deleteUser: a wildcard does not cover deletion.',
  ],
  inputs: {
    radio,
    chat,
    tables,
    ...book,
    people: table('The table of people, by its code', 'people'),
    idStyle: {
      title: 'How ProPTT2 names users: email (package) or local (cloud, the part before the @)',
      type: 'text',
      default: 'email',
    },
  },
  hooks: {
    people: { name: 'people', verify: { kind: 'bearer' }, redact: ['body.TempPassword', 'body.tempPassword'] },
  },
  automations: [
    {
      name: '',
      when: { hook: '{{hook.people}}' },
      // One at a time: two at once would do the same rows.
      mode: 'queue',
      maxPerMinute: 600,
      do: [
        readRows('rows', 'people', { secret: true, ...soon }),
        { name: 'ids', set: `{% ${fieldIdsRead('rows')} %}` },
        { name: 'joining', set: `{% ${people('Approved')} %}` },
        { name: 'leaving', set: `{% ${people('Leaving')} %}` },
        {
          name: 'channels',
          if: '{% $count(steps.joining.output) + $count(steps.leaving.output) > 0 %}',
          call: 'proptt2/{{radio}}/getChannelList',
          ...soon,
          ...continueOnError,
        },
        {
          name: 'create',
          call: 'proptt2/{{radio}}/createUser',
          forEach: '{% steps.joining.output %}',
          secret: true,
          input: {
            strId: "{% {{idStyle}} = 'local' ? $substringBefore(item.email, '@') : item.email %}",
            password: `{% (
              $row := item.rowId;
              $given := steps.rows.output.tableValues.rows[$string(id) = $row].fields.TempPassword.value;
              $given ? $given : $substring($hash($link('password') & $row), 0, 24)
            ) %}`,
            name: '{% item.name %}',
            type: '{% item.type %}',
            email: '{% item.email %}',
            ensure: true,
          },
          concurrency: 1,
          stopOn: [full, ...away],
          ...soon,
          ...continueOnError,
        },
        {
          name: 'links',
          set: `{% [${ends('create', 'joining')}.($person := $[0]; $id := $[1].id; $exists($id) ? $person.channels.{
            'rowId': $person.rowId, 'userId': $id, 'no': $
          })] %}`,
        },
        {
          name: 'link',
          call: 'proptt2/{{radio}}/linkUserToChannel',
          forEach: '{% steps.links.output %}',
          input: {
            channelId: `{% (
              $no := item.no; $id := steps.channels.output.channels[no = $no].id;
              $exists($id) ? $id : $error('There is no channel ' & $no)
            ) %}`,
            userId: '{% item.userId %}',
            ensure: true,
          },
          ...inOrder,
          ...soon,
          ...continueOnError,
        },
        { name: 'joins', set: `{% ${inRooms('joining')} %}` },
        {
          name: 'join',
          call: 'talk/{{chat}}/addParticipant',
          forEach: '{% steps.joins.output %}',
          input: { token: '{% item.token %}', newParticipant: '{% item.user %}' },
          ...inOrder,
          ...soon,
          ...continueOnError,
        },
        {
          name: 'joined',
          set: `{% (
            $problemsOf := ${problemsOf(['link', 'links'], ['join', 'joins'])};
            $isFull := $count($steps.create.errors[code = '${full}']) > 0;
            [${ends('create', 'joining')}.(
              $row := $[0].rowId;
              $id := $[1].id;
              $error := $[2];
              $problems := $problemsOf($row);
              {
                'rowId': $row,
                'userId': $id,
                'status': $exists($id)
                  ? ($count($problems) = 0 ? 'Active' : true in $problems.again ? 'Approved' : 'Incomplete')
                  : $error.code = '${full}' or ($not($error) and $isFull) ? 'Licence limit'
                  : $error and $not($error.code in ${JSON.stringify(away)}) ? 'Failed' : 'Approved',
                'error': $join($append([
                  ($error ? $error.message), ($not($exists($id)) and $not($error) and $not($isFull) ? 'Not tried yet')
                ], $problems.text), '; ')
              }
            )]
          ) %}`,
        },
        writeBack('write', 'joined', {
          Status: 'status',
          PttUserId: "$exists(userId) ? $string(userId) : ''",
          Error: 'error',
          // An absent value leaves the cell of a row without a user unchanged.
          TempPassword: "$exists(userId) ? ''",
        }),
        {
          name: 'members',
          if: '{% $count(steps.leaving.output) > 0 %}',
          call: 'proptt2/{{radio}}/getUsersOfChannel',
          forEach: '{% steps.channels.output.channels %}',
          input: { channelId: '{% item.id %}' },
          ...soon,
          ...continueOnError,
        },
        {
          name: 'users',
          if: '{% $count(steps.leaving.output) > 0 %}',
          call: 'proptt2/{{radio}}/getUserList',
          ...soon,
          ...continueOnError,
        },
        {
          name: 'gone',
          set: `{% [$steps.leaving.output.(
            $person := $;
            $known := $steps.users.output.users[$string(id) = $person.userId or strId = $person.email
              or strId = $substringBefore($person.email, '@')];
            $merge([$, {'id': $known[0].id, 'isRead': $exists($steps.users.output)}])
          )] %}`,
        },
        {
          name: 'unlinks',
          set: `{% [$steps.channels.output.channels#$at.(
            $channel := $;
            $ids := $steps.members.output[$at].users.id;
            $steps.gone.output[$exists(id) and id in $ids].{'rowId': rowId, 'userId': id, 'channelId': $channel.id}
          )] %}`,
        },
        {
          name: 'unlink',
          call: 'proptt2/{{radio}}/unlinkUserToChannel',
          forEach: '{% steps.unlinks.output %}',
          input: { channelId: '{% item.channelId %}', userId: '{% item.userId %}' },
          ...inOrder,
          ...soon,
          ...continueOnError,
        },
        {
          name: 'delete',
          call: 'proptt2/{{radio}}/deleteUser',
          forEach: '{% steps.gone.output[$exists(id)] %}',
          input: { userId: '{% item.id %}' },
          ...inOrder,
          ...soon,
          ...continueOnError,
        },
        { name: 'leaves', set: `{% ${inRooms('leaving')} %}` },
        {
          name: 'leave',
          call: 'talk/{{chat}}/removeParticipant',
          forEach: '{% steps.leaves.output %}',
          input: { token: '{% item.token %}', participant: '{% item.user %}' },
          ...inOrder,
          ...soon,
          ...continueOnError,
        },
        { name: 'deletes', set: '{% [$steps.gone.output[$exists(id)]] %}' },
        {
          name: 'left',
          set: `{% (
            $problemsOf := ${problemsOf(['delete', 'deletes'], ['leave', 'leaves'])};
            [$steps.gone.output.(
              $texts := $append($problemsOf(rowId).text, isRead ? [] : $steps.users.error.message);
              {'rowId': rowId, 'status': $count($texts) > 0 ? 'Leaving' : 'Left', 'error': $join($texts, '; ')}
            )]
          ) %}`,
        },
        writeBack('writeLeft', 'left', { Status: 'status', Error: 'error' }),
      ],
    },
  ],
};
