import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from '../../local/runtime/loopback-server.ts';
import type { AccessRequest } from './access.ts';

/** One request to AWS as a function made it. */
export interface RecordedRequest {
  /** What the role must allow for it, one for each item that it touches. */
  needs: AccessRequest[];
  accessKeyId: string | undefined;
  sessionToken: string | undefined;
}

export interface AwsRecorderOptions {
  dynamodb: string;
  secrets: string;
  tableArn: string;
  /** Answers the calls of Lambda: starts and checkpoints of executions. */
  lambda: (method: string, path: string, body: Buffer) => object | undefined;
}

/** The endpoint that functions under test use as AWS. It records each request and forwards it to the stand-in of the service. */
export async function startAwsRecorder(options: AwsRecorderOptions) {
  const requests: RecordedRequest[] = [];
  // An idle connection stays open: one that ended just when a function used it again would fail that call.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  const { url, close } = await listen(server);
  return { endpoint: url, requests, stop: () => close(0) };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    const target = String(request.headers['x-amz-target'] ?? '');
    const [service = '', operation = ''] = target.split('.');
    const path = decodeURIComponent(request.url ?? '');
    const note = (needs: AccessRequest[]) => {
      const { authorization = '', 'x-amz-security-token': token } = request.headers;
      requests.push({
        needs,
        accessKeyId: /Credential=([^/]+)/.exec(authorization)?.[1],
        sessionToken: token?.toString(),
      });
    };
    if (service === '') {
      const received = options.lambda(request.method ?? '', path, body);
      note(needsOfLambda(path));
      response
        .writeHead(received ? 200 : 404, { 'content-type': 'application/json' })
        .end(JSON.stringify(received ?? {}));
      return;
    }
    const input = JSON.parse(body.toString('utf8')) as Input;
    const isSecret = service === 'secretsmanager';
    note(isSecret ? [needOfSecrets(operation, input)] : needsOfDynamodb(operation, input, options.tableArn));
    const passed = Object.entries(request.headers).flatMap(([name, value]) =>
      name === 'host' || name === 'connection' || value === undefined
        ? []
        : [[name, String(value)] as [string, string]],
    );
    const upstream = await fetch(isSecret ? options.secrets : options.dynamodb, {
      method: 'POST',
      headers: passed,
      body,
    });
    const { 'content-type': type, 'x-amz-crc32': crc } = Object.fromEntries(upstream.headers) as Record<string, string>;
    response.writeHead(upstream.status, { ...(type && { 'content-type': type }), ...(crc && { 'x-amz-crc32': crc }) });
    response.end(Buffer.from(await upstream.arrayBuffer()));
  }
}

type Attributes = Record<string, { S?: string }>;
interface Input {
  SecretId?: string;
  Name?: string;
  IndexName?: string;
  Key?: Attributes;
  Item?: Attributes;
  ExpressionAttributeValues?: Attributes;
  RequestItems?: Record<string, { Keys: Attributes[] }>;
  TransactItems?: Partial<
    Record<'Put' | 'Update' | 'Delete' | 'ConditionCheck', { Key?: Attributes; Item?: Attributes }>
  >[];
}

const itemActions = {
  Put: 'PutItem',
  Update: 'UpdateItem',
  Delete: 'DeleteItem',
  ConditionCheck: 'ConditionCheckItem',
};

function needsOfDynamodb(operation: string, input: Input, tableArn: string): AccessRequest[] {
  const need = (action: string, keys: (string | undefined)[], resource = tableArn): AccessRequest => ({
    action: `dynamodb:${action}`,
    resource,
    context: { 'dynamodb:LeadingKeys': keys.map((key) => key ?? '(none)') },
  });
  if (input.TransactItems) {
    return input.TransactItems.flatMap((item) =>
      Object.entries(item).map(([kind, write]) =>
        need(itemActions[kind as keyof typeof itemActions], [(write.Key ?? write.Item)?.pk?.S]),
      ),
    );
  }
  if (input.RequestItems) {
    return Object.values(input.RequestItems).map(({ Keys }) =>
      need(
        operation,
        Keys.map(({ pk }) => pk?.S),
      ),
    );
  }
  const pk = (input.Key ?? input.Item)?.pk?.S ?? input.ExpressionAttributeValues?.[':pk']?.S;
  return [need(operation, [pk], input.IndexName ? `${tableArn}/index/${input.IndexName}` : tableArn)];
}

function needOfSecrets(operation: string, { SecretId, Name }: Input): AccessRequest {
  const resource = `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${SecretId ?? Name}-AbC123`;
  return { action: `secretsmanager:${operation}`, resource };
}

function needsOfLambda(path: string): AccessRequest[] {
  const [, name] = path.match(/^\/2015-03-31\/functions\/([^/]+)\/invocations/) ?? [];
  if (name !== undefined) return [{ action: 'lambda:InvokeFunction', resource: name }];
  const [, execution, last] = path.match(/^\/2025-12-01\/durable-executions\/(.+)\/(checkpoint|state)$/) ?? [];
  if (execution === undefined) return [];
  const action = last === 'checkpoint' ? 'CheckpointDurableExecution' : 'GetDurableExecutionState';
  return [{ action: `lambda:${action}`, resource: execution }];
}
