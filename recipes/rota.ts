import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { places, table } from './inputs.ts';
import { dateCell, fieldIdsRead, readRows, rowsOf, writeRows } from './rows.ts';

/** The next run is minutes away, so a failing read ends soon. */
const soon = { retry: { attempts: 3, seconds: 3 }, timeout: 15 };
const pair = (of: string) => `$string(${of}.channelId) & '/' & $string(${of}.userId)`;

/** JSONata: who is on shift now, with the ids of person and channel. A row that names an unknown one is a problem. */
const onShift = `(
  $now := $toMillis($event.timestamp);
  $rows := $steps.rota.output.tableValues.rows;
  $count($rows) = 0 ? $error('The rota has no rows: nothing is changed');
  $has := function($cell) {$exists($cell.value) and $cell.value != null and $cell.value != ''};
  $at := function($cell) {$parseTime($string($cell.value), {{timeZone}})};
  $entries := $rows[$has(fields.Start) and $has(fields.End)][$at(fields.Start) <= $now and $now < $at(fields.End)].(
    $person := $string(fields.Person.value);
    $no := $string(fields.ChannelNo.value);
    {
      "rowId": $string(id),
      "isApplied": $has(fields.AppliedAt),
      "label": $person & ' in ' & $no,
      "userId": $steps.users.output.users[strId = $person].id,
      "channelId": $steps.channels.output.channels[no = $no].id,
      "role": $lookup({"Receiver": 20, "Operator": 90}, $string(fields.Role.value))
    }
  );
  $good := $entries[$exists(userId) and $exists(channelId)];
  {
    "wanted": [$good],
    "problems": [$entries[$not($exists(userId) and $exists(channelId))].label],
    "channelIds": [$distinct([$good.channelId, $memo.managed.channelId])]
  }
)`;

/** JSONata: what is to change. Only memberships that this recipe made are ended, and never those of leaders and devices. */
const plan = `(
  $wanted := $steps.shift.output.wanted;
  $wantedPairs := $wanted.(${pair('$')});
  $members := $reduce([0..$count($steps.shift.output.channelIds) - 1], function($all, $at) {
    $append($all, $steps.members.output[$at].users.{"channelId": $steps.shift.output.channelIds[$at], "userId": id})
  }, []);
  $memberPairs := $members.(${pair('$')});
  $link := $wanted[$not((${pair('$')}) in $memberPairs)];
  $unlink := $memo.managed[$not((${pair('$')}) in $wantedPairs) and (${pair('$')}) in $memberPairs].(
    $p := $;
    $user := $steps.users.output.users[id = $p.userId];
    $user.type >= 70 or $user.type in [20, 21] ? [] : $p
  );
  $changes := $count($link) + $count($unlink);
  $limit := $max([{{freeChanges}}, $count($members) * {{maxChangePercent}} / 100]);
  $changes > $limit ? $error('Stopped: ' & $changes & ' changes of ' & $count($members) & ' memberships are more than {{maxChangePercent}} %');
  {
    "link": [$link],
    "unlink": [$unlink],
    "text": '+' & $count($link) & ' -' & $count($unlink)
      & ($count($link) > 0 ? ': ' & $join($link.label, ', ') : ''),
    "keep": [$memo.managed[(${pair('$')}) in $wantedPairs and (${pair('$')}) in $memberPairs]],
    "applied": [$wanted[$not(isApplied)]]
  }
)`;

/** JSONata: the items of a list step that were done, and those whose answer was lost. */
const done = (step: string, list: string) =>
  `$filter(${list}, function($each, $at) {
    $exists($steps.${step}.output[$at].code) or $steps.${step}.errors[$at].code = 'outcome_unknown'})`;

const problems = "$join(steps.shift.output.problems, ', ')";
const areNew = `${problems} != ($exists(memo.problems) ? memo.problems : '')`;
const isNewText = '$not(steps.plan.output.text = memo.announced)';
const count = (list: string) => `$count(steps.plan.output.${list})`;

/** R2: who is on shift is a member of the channel; who was made one by this recipe is taken out afterwards. */
export const rota: Recipe = {
  title: 'Rota',
  summary:
    'Every five minutes the people on shift are linked to their channels, and those whose shift is over are unlinked.',
  requirements: [
    'A TimeTonic table with the fields Person (the user id), ChannelNo, Start, End, Role (Normal, Receiver or Operator) and AppliedAt.',
    'A Talk room for the changes.',
  ],
  inputs: {
    ...places,
    rota: table('The table of shifts, by its code', 'rota'),
    view: { title: 'The id of a view that filters the rows, or "all"', type: 'text', default: 'all' },
    timeZone: { title: 'The time zone of Start and End', type: 'text', default: 'UTC' },
    maxChangePercent: { title: 'More changes than this share of the members are refused', type: 'number', default: 30 },
    freeChanges: { title: 'So many changes are always allowed', type: 'number', default: 2 },
    dryRun: { title: 'Whether changes are only announced, not made', type: 'boolean', default: false },
  },
  automations: [
    {
      name: '',
      when: { schedule: { cron: '*/5 * * * *', timeZone: '{{timeZone}}' } },
      mode: 'single',
      do: [
        readRows('rota', 'rota', soon, `{% {{view}} != 'all' ? {"applyViewFilters": {{view}}} %}`),
        { name: 'users', call: 'proptt2/{{radio}}/getUserList', ...soon },
        { name: 'channels', call: 'proptt2/{{radio}}/getChannelList', ...soon },
        { name: 'shift', set: `{% ${onShift} %}` },
        {
          name: 'members',
          call: 'proptt2/{{radio}}/getUsersOfChannel',
          forEach: '{% steps.shift.output.channelIds %}',
          input: { channelId: '{% item %}' },
          ...soon,
        },
        { name: 'plan', set: `{% ${plan} %}` },
        {
          name: 'link',
          call: 'proptt2/{{radio}}/linkUserToChannel',
          forEach: '{% {{dryRun}} ? [] : steps.plan.output.link %}',
          input: {
            channelId: '{% item.channelId %}',
            userId: '{% item.userId %}',
            role: '{% item.role %}',
            ensure: true,
          },
          ...soon,
          ...continueOnError,
        },
        {
          name: 'unlink',
          call: 'proptt2/{{radio}}/unlinkUserToChannel',
          forEach: '{% {{dryRun}} ? [] : steps.plan.output.unlink %}',
          input: { channelId: '{% item.channelId %}', userId: '{% item.userId %}' },
          ...soon,
          ...continueOnError,
        },
        {
          name: 'managed',
          if: `{% $not({{dryRun}}) and ${count('link')} + ${count('unlink')} + $count(memo.managed) > 0 %}`,
          remember: {
            key: 'managed',
            value: `{% (
              $link := $steps.plan.output.link;
              $unlink := $steps.plan.output.unlink;
              $linked := ${done('link', '$link')};
              $left := $filter($unlink, function($each, $at) {$exists($steps.unlink.errors[$at].code)});
              [$append($append($steps.plan.output.keep, $linked), $left).{
                "channelId": channelId, "userId": userId, "label": label}]
            ) %}`,
          },
        },
        {
          name: 'line',
          if: `{% ${count('link')} + ${count('unlink')} > 0 and ($not({{dryRun}}) or ${isNewText}) %}`,
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{{room}}',
            message: `{% (
              $failed := $count($append(steps.link.errors, steps.unlink.errors)[$ != null]);
              ({{dryRun}} ? 'DRY RUN ' : '') & {{installation}} & ' ' & steps.plan.output.text
                & ($failed > 0 ? ' (' & $failed & ' failed)' : '')
            ) %}`,
          },
          ...continueOnError,
        },
        {
          name: 'announced',
          if: `{% {{dryRun}} and ${isNewText} %}`,
          remember: { key: 'announced', value: '{% steps.plan.output.text %}' },
        },
        {
          name: 'problemsLine',
          if: `{% ${areNew} %}`,
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{{room}}',
            message: `{% {{installation}} & ': ' & ($count(steps.shift.output.problems) = 0 ? 'every row is known again'
              : 'no such user or channel: ' & ${problems}) %}`,
          },
          ...continueOnError,
        },
        {
          name: 'problems',
          remember: { key: 'problems', value: `{% ${problems} %}` },
          if: `{% ${areNew} %}`,
        },
        writeRows(
          'applied',
          rowsOf(fieldIdsRead('rota'), '$steps.plan.output.applied', 'rowId', { AppliedAt: dateCell('$millis()') }),
          { if: '{% $not({{dryRun}}) and $count(steps.plan.output.applied) > 0 %}', ...continueOnError },
        ),
      ],
    },
  ],
};
