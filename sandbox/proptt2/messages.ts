import type { SandboxReply } from '../sandbox-server.ts';
import { done } from './answers.ts';
import { decodeBase64, decodeFrame, decodeUtf8 } from './custom-message.ts';
import { type Call, type Endpoints, endpoint, findChannel, findUser, notFound } from './endpoint.ts';
import { keepNewest, type SentMessage } from './state.ts';

const messageId = { type: 'number', mandatory: true } as const;
const text = { type: 'string', check: textFault } as const;
const bytes = { type: 'string', check: frameFault } as const;

/** The five calls that send. Accepted messages are kept in `state.sent`. */
export const messageEndpoints: Endpoints = {
  'POST channels/{}/sendMessage': endpoint({
    since: '1.2.x',
    body: { messageId, messageContent: text },
    answer: (call, body) => sendToChannel(call, { kind: 'message', messageId: body.messageId, ...plain(body) }),
  }),
  'POST channels/{}/sendSOS': endpoint({
    since: '2.0.x',
    answer: (call) => sendToChannel(call, { kind: 'sos' }),
  }),
  'POST channels/{}/sendAlert': endpoint({
    since: '2.0.x',
    body: { messageId, messageType: { type: 'number', mandatory: true, allow: [0] }, messageContent: text },
    answer: (call, body) => {
      const { messageType } = body;
      return sendToChannel(call, { kind: 'alert', messageId: body.messageId, messageType, ...plain(body) });
    },
  }),
  'POST channels/{}/sendCustomMessage': endpoint({
    since: '2.0.x',
    body: { messageId, messageContent: bytes },
    answer: (call, body) => sendToChannel(call, { kind: 'custom', messageId: body.messageId, ...framed(body) }),
  }),
  'POST users/{}/sendMessage': endpoint({
    since: '1.2.x',
    body: { messageId, messageContent: text },
    answer: (call, body) => {
      const user = findUser(call, 0);
      if (!user) return notFound();
      call.effect(`radio of ${user.name}: ${plain(body).text}`);
      return send(call, { kind: 'message', userId: user.id, messageId: body.messageId, ...plain(body) });
    },
  }),
};

type Message = Omit<SentMessage, 'company' | 'at' | 'senderHid'>;

function sendToChannel(call: Call, message: Message): SandboxReply {
  const channel = findChannel(call);
  if (!channel) return notFound();
  call.effect(
    `radio ${channel.no} ${channel.name}: ${message.kind === 'sos' ? 'SOS' : (message.text ?? message.kind)}`,
  );
  return send(call, { ...message, channelId: channel.id });
}

function send(call: Call, message: Message): SandboxReply {
  const sent = { ...message, company: call.company.ownerId, at: call.now, senderHid: call.hid };
  keepNewest(call.state.sent, sent, 20_000);
  call.state.totals.sent += 1;
  return done();
}

function plain({ messageContent = '' }: { messageContent?: string }): { text: string } {
  return { text: Buffer.from(messageContent, 'base64').toString('utf8') };
}

function framed({ messageContent = '' }: { messageContent?: string }): Pick<SentMessage, 'bytes' | 'frame'> {
  const frame = decodeFrame(Buffer.from(messageContent, 'base64'));
  return typeof frame === 'string' ? { bytes: messageContent } : { bytes: messageContent, frame };
}

function textFault(value: string): string | undefined {
  const content = decodeBase64(value);
  if (!content) return 'is not standard base64 with padding';
  return decodeUtf8(content) === undefined ? 'is not base64 of UTF-8' : undefined;
}

function frameFault(value: string): string | undefined {
  const content = decodeBase64(value);
  if (!content) return 'is not standard base64 with padding';
  const frame = decodeFrame(content);
  return typeof frame === 'string' ? `is no custom message: ${frame}` : undefined;
}
