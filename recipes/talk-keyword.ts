import type { Recipe } from '../lib/automations/recipes/recipe.ts';
import { continueOnError } from './errors.ts';
import { chat, radio, room } from './inputs.ts';

const match = 'steps.command.output';
const channelId = `{% $steps.channels.output.channels[no = $${match}.channelNo].id %}`;
const text = `${match}.text & ' (' & event.data.actorId & ')'`;

/** R5: `!alert 12 text`, `!say 12 text` and `!sos 12` in a chat room go to the radio; an SOS needs a `confirm`. */
export const talkKeyword: Recipe = {
  title: 'Talk keyword',
  summary: 'Commands in a chat room are sent to a radio channel, from listed people only.',
  requirements: ['A Talk room. With a Talk bot, commands arrive at once; without one, within a minute.'],
  inputs: {
    radio,
    chat,
    room,
    people: { title: 'The Talk users who may give commands', type: 'list' },
    confirmSeconds: { title: 'Seconds within which an SOS is confirmed', type: 'number', default: 60 },
  },
  automations: [
    {
      name: '',
      when: { event: 'talk.message.created', connection: 'talk/{{chat}}' },
      if: `{% event.data.token = {{room}} and event.data.actorType = 'users' and event.data.actorId in {{people}}
        and $contains(event.data.text, /^!(alert|say|sos)\\s+\\S+/) %}`,
      do: [
        {
          name: 'command',
          set: `{% ($m := $match(event.data.text, /^!(alert|say|sos)\\s+(\\S+)\\s*(.*)$/).groups;
            {"verb": $m[0], "channelNo": $m[1], "text": $m[2]}) %}`,
        },
        {
          name: 'channels',
          call: 'proptt2/{{radio}}/getChannelList',
          retry: { attempts: 2, seconds: 2 },
          timeout: 10,
          ...continueOnError,
        },
        {
          name: 'ask',
          if: `{% ${match}.verb = 'sos' %}`,
          call: 'talk/{{chat}}/sendChatMessage',
          input: { token: '{{room}}', message: `SOS to channel {% ${match}.channelNo %}? Answer "confirm".` },
          ...continueOnError,
        },
        {
          name: 'confirmed',
          if: `{% ${match}.verb = 'sos' %}`,
          waitFor: {
            event: 'talk.message.created',
            connection: 'talk/{{chat}}',
            if: "{% event.data.token = run.event.data.token and event.data.actorId = run.event.data.actorId and $trim($lowercase(event.data.text)) = 'confirm' %}",
            seconds: '{{confirmSeconds}}',
          },
        },
        {
          name: 'alert',
          if: `{% ${match}.verb = 'alert' %}`,
          call: 'proptt2/{{radio}}/sendAlertToChannel',
          input: { channelId, message: `{% ${text} %}` },
          ...continueOnError,
        },
        {
          name: 'say',
          if: `{% ${match}.verb = 'say' %}`,
          call: 'proptt2/{{radio}}/sendMessageToChannel',
          input: { channelId, message: `{% ${text} %}` },
          ...continueOnError,
        },
        {
          name: 'sos',
          if: `{% ${match}.verb = 'sos' and $type(steps.confirmed.output) = 'object' %}`,
          call: 'proptt2/{{radio}}/sendSosToChannel',
          input: { channelId },
          ...continueOnError,
        },
        {
          name: 'answer',
          call: 'talk/{{chat}}/sendChatMessage',
          input: {
            token: '{{room}}',
            message: `{% (
              $c := $${match};
              $error := [$steps.channels.error, $steps.alert.error, $steps.say.error, $steps.sos.error][0];
              $not($exists($steps.channels.error)) and $not($exists($steps.channels.output.channels[no = $c.channelNo]))
                ? 'There is no channel ' & $c.channelNo
              : $exists($error) ? 'Not sent: ' & $error.message
              : $c.verb = 'sos' and $type($steps.confirmed.output) != 'object' ? 'Not confirmed, no SOS was sent'
              : 'sent to channel ' & $c.channelNo & ' (#' & $run.ref & ')'
            ) %}`,
          },
          after: ['alert', 'say', 'sos'],
        },
      ],
    },
  ],
};
