import { services, useFiles } from '../../lib/aws/services.ts';
import { startLambdaEndpoint } from '../../local/aws/lambda-endpoint.ts';
import { startStreamPump } from '../../local/aws/stream-pump.ts';
import { startDurableRuntime } from '../../local/runtime/durable-runtime.ts';
import { memoryFiles } from './harness.ts';

/**
 * The durable half in a separate process, to be killed: the real functions behind the real Lambda client, over a database and
 * secrets that outlive it.
 */
const accessKeyId = process.env.TRUNKLINE_LOCAL_ACCESS_KEY_ID ?? '';
const secretAccessKey = process.env.TRUNKLINE_LOCAL_SECRET_ACCESS_KEY ?? '';
const credentials = { accessKeyId, secretAccessKey };
const lambda: Parameters<typeof startLambdaEndpoint>[0] = { functions: {}, credentials };
const endpoint = await startLambdaEndpoint(lambda);
process.env.TRUNKLINE_LAMBDA_ENDPOINT = endpoint.endpoint;
useFiles(memoryFiles());
const [{ handler: deliver }, { handler: route }] = await Promise.all([
  import('../../functions/deliver-event.ts'),
  import('../../functions/route-events.ts'),
]);
const { table, clock } = services();
const runtime = await startDurableRuntime({ table, clock, handlers: { 'deliver-event': deliver } });
Object.assign(lambda.functions, runtime.functions);
await startStreamPump({
  endpoint: process.env.TRUNKLINE_DYNAMODB_ENDPOINT ?? '',
  credentials,
  tableName: process.env.TRUNKLINE_TABLE ?? '',
  handler: route,
  positionFile: process.env.POSITION_FILE ?? '',
});
process.send?.('ready');
