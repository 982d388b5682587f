import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { places, table } from './inputs.ts';
import { dateCell, fieldIds, readFields, readRows, writeRowWith } from './rows.ts';

const soon = { retry: { attempts: 3, seconds: 2 } };

/** JSONata: the zones as they were read, or as they were known last when the tables cannot be read. */
const zones = `(
  $rows := $steps.rows.output.tableValues.rows;
  $text := function($cell) {$exists($cell.value) and $cell.value != null ? $trim($string($cell.value)) : ''};
  $exists($rows) ? [$rows[fields.Name.value and fields.RadiusM.value].fields.{
    'name': $text(Name), 'lat': $number($text(Lat)), 'lon': $number($text(Lon)), 'radius': $number($text(RadiusM)),
    'channelNo': $text(ChannelNo), 'onEnter': $text(OnEnter), 'onExit': $text(OnExit)
  }] : $exists($memo.zones) ? $memo.zones : $exists($memo.lastZones) ? $memo.lastZones : []
)`;

/**
 * JSONata: who has crossed a border, and the state after it. Somebody crosses with a position that is `marginMetres` beyond the
 * border, or with a second one beyond it. Each position counts once.
 */
const plan = `(
  $now := $millis();
  $before := $exists($memo.state) ? $memo.state : {};
  $parsed := function($text) {$contains($string($text), /^-?[0-9]+(\\.[0-9]+)?$/) ? $number($text)};
  $seen := $steps.users.output.users.(
    $lat := $parsed(latitude); $lon := $parsed(longitude);
    $at := $exists(locationDate) and locationDate != '' ? $parseTime(locationDate, {{timeZone}});
    $exists($lat) and $exists($lon) and ($lat != 0 or $lon != 0) and $exists($at) and $now - $at <= {{maxAgeSeconds}} * 1000
      ? {'id': id, 'name': name, 'lat': $lat, 'lon': $lon, 'at': locationDate}
  );
  $judged := $seen.($user := $; $steps.zones.output.(
    $zone := $;
    $key := $string($user.id) & '|' & $zone.name;
    $was := $lookup($before, $key);
    $isIn := $was.in = true;
    $beyond := $distance($user.lat, $user.lon, $zone.lat, $zone.lon) - $zone.radius;
    $isNow := $beyond <= 0;
    $fixes := $isNow = $isIn ? 0 : $was.at = $user.at ? $was.fixes : $sum([$was.fixes, 1]);
    $crosses := $isNow != $isIn and ($fixes >= 2 or $abs($beyond) > {{marginMetres}});
    {
      'key': $key, 'userId': $user.id, 'person': $user.name, 'zone': $zone.name, 'channelNo': $zone.channelNo,
      'enters': $isNow, 'crosses': $crosses, 'note': $isNow ? $zone.onEnter : $zone.onExit,
      'in': $crosses ? $isNow : $isIn, 'fixes': $crosses ? 0 : $fixes, 'at': $user.at
    }
  ));
  {
    'crossings': [$judged[crosses].{
      'key': key, 'userId': userId, 'person': person, 'zone': zone, 'channelNo': channelNo, 'enters': enters,
      'text': person & (enters ? ' entered ' : ' left ') & zone & (note != '' ? '. ' & note : '')
    }],
    'state': $merge([$before, $judged.{key: {'in': in, 'fixes': fixes, 'at': at}}])
      ~> $sift(function($one) {$one.in or $one.fixes > 0})
  }
)`;
const crossings = 'steps.plan.output.crossings';
const channelId = `(
  $no := item.channelNo; $id := steps.channels.output.channels[no = $no].id;
  $exists($id) ? $id : $error('There is no channel ' & $no)
)`;

/** R9: who enters a zone is linked to its channel and who leaves it is unlinked, once for each crossing of the border. */
export const geofence: Recipe = {
  title: 'Geofence',
  summary:
    'People are linked to the radio channel of a zone when they enter it and unlinked when they leave; each crossing is reported once to channel, chat and a table.',
  requirements: [
    'Radios that report their positions.',
    'A TimeTonic table of zones with the fields Name, Lat, Lon, RadiusM, ChannelNo, OnEnter and OnExit.',
    'A TimeTonic table of crossings with the fields Person, Zone, Kind and At.',
    'A Talk room.',
  ],
  inputs: {
    ...places,
    zones: table('The table of zones, by its code', 'zones'),
    log: table('The table of crossings, by its code', 'crossings'),
    zoneSeconds: { title: 'Seconds after which the zones are read again', type: 'number', default: 900 },
    marginMetres: { title: 'Metres beyond a border at which one position is enough', type: 'number', default: 30 },
    maxAgeSeconds: { title: 'Seconds after which a position is too old to count', type: 'number', default: 600 },
    timeZone: { title: 'The time zone of the dates that the ProPTT2 server sends', type: 'text', default: 'UTC' },
  },
  automations: [
    {
      name: '',
      when: { schedule: { everySeconds: 60 }, missed: 'skip' },
      mode: 'single',
      do: [
        { name: 'users', call: 'proptt2/{{radio}}/getUserList', ...soon },
        readRows('rows', 'zones', { if: '{% $not($exists(memo.zones)) %}', ...soon, ...continueOnError }),
        { name: 'zones', set: `{% ${zones} %}` },
        {
          name: 'keepZones',
          if: "{% $type(steps.rows.output) = 'object' %}",
          remember: { key: 'zones', value: '{% steps.zones.output %}', seconds: '{{zoneSeconds}}' },
        },
        {
          name: 'keepLastZones',
          if: "{% $type(steps.rows.output) = 'object' %}",
          remember: { key: 'lastZones', value: '{% steps.zones.output %}' },
        },
        { name: 'plan', set: `{% ${plan} %}` },
        // Stored before anything is done: an interrupted run continues, and the next one does not repeat it.
        {
          name: 'keep',
          if: "{% [$string(memo.state), ''][0] != [$string(steps.plan.output.state), ''][0] %}",
          remember: { key: 'state', value: '{% steps.plan.output.state %}' },
        },
        {
          name: 'channels',
          if: `{% $count(${crossings}) > 0 %}`,
          call: 'proptt2/{{radio}}/getChannelList',
          ...soon,
          ...continueOnError,
        },
        { name: 'entering', set: `{% [${crossings}[enters and channelNo != '']] %}` },
        {
          name: 'link',
          call: 'proptt2/{{radio}}/linkUserToChannel',
          forEach: '{% steps.entering.output %}',
          input: { channelId: `{% ${channelId} %}`, userId: '{% item.userId %}', ensure: true },
          concurrency: 1,
          ...soon,
          ...continueOnError,
        },
        {
          name: 'unlink',
          call: 'proptt2/{{radio}}/unlinkUserToChannel',
          // Who was in the channel before entering the zone stays in it.
          forEach: `{% ${crossings}[$not(enters) and channelNo != '' and $lookup($memo.linked, key) = true] %}`,
          input: { channelId: `{% ${channelId} %}`, userId: '{% item.userId %}' },
          concurrency: 1,
          ...soon,
          ...continueOnError,
        },
        {
          name: 'linked',
          if: `{% $count(${crossings}) > 0 %}`,
          set: `{% $merge([
            $exists($memo.linked) ? $memo.linked : {},
            ${crossings.replace('steps', '$steps')}.{key: false},
            $steps.entering.output#$at.(
              $done := $steps.link.output[$at];
              $type($done) = 'object' and $not($done.existing = true) ? {key: true})
          ]) ~> $sift(function($one) {$one}) %}`,
        },
        {
          name: 'keepLinked',
          if: `{% $count(${crossings}) > 0 %}`,
          after: ['unlink'],
          remember: { key: 'linked', value: '{% steps.linked.output %}' },
        },
        {
          name: 'message',
          call: 'proptt2/{{radio}}/sendMessageToChannel',
          forEach: `{% ${crossings}[channelNo != ''] %}`,
          input: { channelId: `{% ${channelId} %}`, message: '{% item.text %}' },
          concurrency: 1,
          ...soon,
          ...continueOnError,
        },
        {
          name: 'line',
          call: 'talk/{{chat}}/sendChatMessage',
          forEach: `{% ${crossings} %}`,
          input: { token: '{{room}}', message: '📍 {% item.text %}' },
          concurrency: 1,
          ...soon,
          ...continueOnError,
        },
        readFields({ if: `{% $count(${crossings}) > 0 %}`, ...soon, ...continueOnError }),
        {
          ...writeRowWith(
            'log',
            fieldIds('log'),
            '{% "tmp" & $substring($hash(run.id & item.key), 0, 12) %}',
            {
              Person: '$item.person',
              Zone: '$item.zone',
              Kind: "$item.enters ? 'Enter' : 'Exit'",
              At: dateCell('$millis()'),
            },
            { ...soon, ...continueOnError },
          ),
          forEach: `{% ${crossings} %}`,
        },
      ],
    },
  ],
};
