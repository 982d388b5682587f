import { beforeAll, describe, expect, it } from 'vitest';
import { functions } from '../../functions/declarations.ts';
import { callsOwner } from '../../lib/automations/runs/runs.ts';
import {
  adminKeySecret,
  credentialsSecret,
  hookSecret,
  pushSecret,
  sealingKeySecret,
  sessionKeySecret,
  subscriptionSecret,
} from '../../lib/core/secrets.ts';
import { keys } from '../../lib/store/items.ts';
import { vendorNames, vendors } from '../../lib/vendors/index.ts';
import { FunctionAccess, nameOf } from './access.ts';
import type { Templates } from './stack-template.ts';
import { makeApp, templatesOf } from './synthesize.ts';

const account = 'eu-central-1:123456789012';
const secretArn = (name: string) => `arn:aws:secretsmanager:${account}:secret:${name}-AbC123`;
const deployed = Object.keys(vendors);
const reading = ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:BatchGetItem'];
const writing = ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:ConditionCheckItem'];

let templates: Templates;
let access: ReadonlyMap<string, FunctionAccess>;
let tableArn: string;
let filesArn: string;
beforeAll(() => {
  templates = templatesOf(makeApp());
  access = new Map(functions.map(({ name }) => [name, new FunctionAccess(templates, name)]));
  tableArn = `arn:aws:dynamodb:${account}:table/${templates.ofType('AWS::DynamoDB::Table')[0]?.id}`;
  filesArn = `arn:aws:s3:::${templates.ofType('AWS::S3::Bucket')[0]?.id}`;
});

function of(name: string): FunctionAccess {
  const found = access.get(name);
  if (!found) throw new Error(`${name} is not deployed`);
  return found;
}
const maySecret = (name: string, action: string, secret: string) =>
  of(name).allows({ action: `secretsmanager:${action}`, resource: secretArn(secret) });
const mayRead = (name: string, secret: string) => maySecret(name, 'GetSecretValue', secret);
const mayItem = (name: string, action: string, pk: string, resource = tableArn) =>
  of(name).allows({ action, resource, context: { 'dynamodb:LeadingKeys': [pk] } });
const readersOf = (secret: string) => functions.map(({ name }) => name).filter((name) => mayRead(name, secret));

describe('secrets', () => {
  it.each(vendorNames)(
    "%s's are read by its own function, by control and by the clocks that call vendors",
    (vendor) => {
      const own = deployed.includes(vendor) ? [vendor] : [];
      const expected = [...own, 'control', 'keep-sessions', 'poll-events', 'run-automation'].sort();
      for (const secret of [credentialsSecret(vendor, 'dispatch'), sessionKeySecret(vendor)]) {
        expect(readersOf(secret).sort()).toEqual(expected);
      }
    },
  );

  it('that verify what a vendor pushes are read where hooks are received, which reads no password', () => {
    expect(readersOf(pushSecret('talk', 'team')).sort()).toEqual(['control', 'hooks']);
  });

  it("of subscriptions are read by deliveries, which remove a subscription's when its target is gone", () => {
    const secret = subscriptionSecret('sub_x');
    expect(readersOf(secret).sort()).toEqual(['control', 'deliver-event']);
    expect(maySecret('deliver-event', 'DeleteSecret', secret)).toBe(true);
    expect(maySecret('deliver-event', 'PutSecretValue', secret)).toBe(false);
  });

  it('of hooks are read where hooks are received, and filled in where a handshake brings them', () => {
    expect(readersOf(hookSecret('hook_x')).sort()).toEqual(['control', 'hooks']);
    expect(maySecret('hooks', 'PutSecretValue', hookSecret('hook_x'))).toBe(true);
    expect(maySecret('hooks', 'PutSecretValue', pushSecret('talk', 'team'))).toBe(false);
  });

  it('are created and deleted by control alone', () => {
    for (const { name } of functions) {
      for (const vendor of vendorNames) {
        const rights = ['CreateSecret', 'DeleteSecret'].map((action) =>
          maySecret(name, action, `trunkline/${vendor}/dispatch`),
        );
        expect([name, ...rights]).toEqual([name, name === 'control', name === 'control']);
      }
    }
  });

  it('are changed by control and, where the vendor renews credentials, by those who call it', () => {
    const writers = (vendor: string) =>
      functions
        .map(({ name }) => name)
        .filter((name) => maySecret(name, 'PutSecretValue', `trunkline/${vendor}/dispatch`));
    expect(writers('proptt2')).toEqual(['control']);
    expect(writers('talk')).toEqual(['control']);
    const renewing = ['control', 'keep-sessions', 'poll-events', 'run-automation'];
    expect(writers('timetonic')).toEqual(
      functions.map(({ name }) => name).filter((name) => name === 'timetonic' || renewing.includes(name)),
    );
  });

  it('that a deployment generates are changed by nobody, and the admin key is read by one function', () => {
    for (const { name } of functions) {
      for (const secret of [adminKeySecret, sealingKeySecret, ...vendorNames.map(sessionKeySecret)]) {
        for (const action of ['PutSecretValue', 'CreateSecret', 'DeleteSecret', 'UpdateSecret']) {
          expect([name, secret, action, maySecret(name, action, secret)]).toEqual([name, secret, action, false]);
        }
      }
    }
    // It publishes the hash, which is all that the others have.
    expect(readersOf(adminKeySecret)).toEqual(['watch']);
    expect(readersOf(sealingKeySecret).sort()).toEqual(['control', 'hooks', 'run-automation']);
    const writers = functions.filter(({ name }) => mayItem(name, 'dynamodb:PutItem', keys.adminKey().pk));
    expect(writers.map(({ name }) => name)).toEqual(['watch']);
  });

  it('of others in the account are out of reach', () => {
    for (const secret of ['payroll', 'trunkline', 'trunkline-2/proptt2/dispatch', 'trunkline/proptt2-other/dispatch']) {
      expect([secret, readersOf(secret)]).toEqual([secret, []]);
    }
  });
});

describe('items', () => {
  const automation = 'k3v7m2q4x4w7t6r2';

  it('that define what a run does and may do are written by control alone, and read by who carries it out', () => {
    const defining = [
      keys.automationVersion(automation, 1),
      keys.requestedRun('run_x_1_0123456789ab'),
      keys.apiKey('x'),
    ];
    for (const { pk } of defining) {
      const may = (action: string) => functions.map(({ name }) => name).filter((name) => mayItem(name, action, pk));
      for (const action of writing) expect([pk, action, may(action)]).toEqual([pk, action, ['control']]);
      expect(may('dynamodb:GetItem')).toContain('run-automation');
    }
    // Whoever may start an automation cannot write a single call, which would have the rights of any key.
    const calls = keys.runs(callsOwner('talk'));
    const writers = functions.map(({ name }) => name).filter((name) => mayItem(name, 'dynamodb:PutItem', calls));
    expect(writers).toEqual(['talk', 'control', 'start-schedules', 'run-automation', 'end-executions']);
  });

  it.each(deployed)("of %s's sessions are out of reach for every other vendor's function", (vendor) => {
    const session = keys.session(vendor, 'dispatch').pk;
    for (const action of [...reading, ...writing]) {
      expect(mayItem(vendor, action, session)).toBe(true);
      for (const other of vendorNames.filter((name) => name !== vendor)) {
        expect(mayItem(vendor, action, keys.session(other, 'dispatch').pk)).toBe(false);
        expect(mayItem(vendor, action, keys.connection(other, 'dispatch').pk)).toBe(false);
      }
    }
    expect(mayItem(vendor, 'dynamodb:GetItem', keys.connection(vendor, 'dispatch').pk)).toBe(true);
    expect(mayItem(vendor, 'dynamodb:PutItem', keys.connection(vendor, 'dispatch').pk)).toBe(false);
    expect(mayItem(vendor, 'dynamodb:PutItem', keys.apiKeys())).toBe(false);
    // It starts runs of single calls of its own vendor, and none of an automation.
    for (const name of vendorNames)
      expect(mayItem(vendor, 'dynamodb:PutItem', keys.runs(callsOwner(name)))).toBe(name === vendor);
    expect(mayItem(vendor, 'dynamodb:PutItem', keys.runs(automation))).toBe(false);
    expect(mayItem(vendor, 'dynamodb:PutItem', keys.audit('2026-11-21T00:00:00Z', 'x').pk)).toBe(false);
  });

  it('of a request that names several partitions are decided by all of them', () => {
    const mixed = [keys.session('proptt2', 'dispatch').pk, keys.session('talk', 'room').pk];
    const request = { action: 'dynamodb:BatchGetItem', resource: tableArn, context: { 'dynamodb:LeadingKeys': mixed } };
    expect(of('proptt2').allows(request)).toBe(false);
    expect(of('keep-sessions').allows(request)).toBe(true);
  });

  it('that are due can be queried by the clock of their kind and by `watch`', () => {
    const may = (name: string, kind: string) => mayItem(name, 'dynamodb:Query', `${kind}#3`, `${tableArn}/index/due`);
    for (const { name } of functions) {
      expect([name, may(name, 'keepalive')]).toEqual([name, ['keep-sessions', 'watch'].includes(name)]);
      expect([name, may(name, 'poll')]).toEqual([name, ['poll-events', 'watch'].includes(name)]);
      expect([name, may(name, 'schedule')]).toEqual([name, ['start-schedules', 'watch'].includes(name)]);
    }
  });

  it('of every kind can be written by some function', () => {
    const onAws = Object.entries(keys).filter(([name]) => !/^execution|^health$|Prefix$/.test(name));
    for (const [name, build] of onAws) {
      // Each builder takes texts or numbers; where a number is asked for, the text of one does.
      const made = (build as (...parts: string[]) => string | { pk: string })('proptt2', '2', '3', '4');
      const pk = typeof made === 'string' ? made : made.pk;
      const writers = functions.filter((each) => mayItem(each.name, 'dynamodb:PutItem', pk));
      expect([name, pk, writers.length]).not.toEqual([name, pk, 0]);
    }
  });
});

describe('executions', () => {
  it('are started through the alias by the functions that know it, and their waits ended by the one that routes events', () => {
    const aliases = templates.ofType('AWS::Lambda::Alias').map(({ id }) => id);
    for (const durable of ['deliver-event', 'run-automation']) {
      const alias = aliases.find((id) => id.startsWith(durable.replace('-', ''))) ?? '';
      const starters = functions
        .map(({ name }) => name)
        .filter((name) => of(name).allows({ action: 'lambda:InvokeFunction', resource: alias }));
      expect(starters).toEqual(functions.filter(({ starts }) => starts?.includes(durable)).map(({ name }) => name));
      expect(starters.length).toBeGreaterThan(0);
    }
    const execution = (name: string) =>
      `arn:aws:lambda:${account}:function:${templates.ofType('AWS::Lambda::Function').find(({ properties }) => nameOf(properties) === name)?.id}:7/durable-execution/x/y`;
    const may = (name: string, action: string, whose: string) =>
      of(name).allows({ action: `lambda:${action}`, resource: execution(whose) });
    expect(may('run-automation', 'CheckpointDurableExecution', 'run-automation')).toBe(true);
    expect(may('run-automation', 'CheckpointDurableExecution', 'deliver-event')).toBe(false);
    expect(may('route-events', 'SendDurableExecutionCallbackSuccess', 'run-automation')).toBe(true);
    // A cancelled run ends its wait at once.
    expect(may('control', 'SendDurableExecutionCallbackSuccess', 'run-automation')).toBe(true);
    expect(may('hooks', 'SendDurableExecutionCallbackSuccess', 'run-automation')).toBe(false);
    // A run that ends lets the next one with its key begin.
    expect(may('end-executions', 'SendDurableExecutionCallbackSuccess', 'run-automation')).toBe(true);
  });
});

describe('everything else', () => {
  it('files are reached by prefix', () => {
    const may = (name: string, action: string, key: string) =>
      of(name).allows({ action, resource: `${filesArn}/${key}` });
    expect(may('control', 's3:PutObject', 'uploads/x')).toBe(true);
    expect(may('proptt2', 's3:GetObject', 'uploads/x')).toBe(true);
    expect(may('proptt2', 's3:PutObject', 'uploads/x')).toBe(false);
    expect(may('proptt2', 's3:PutObject', 'answers/x')).toBe(true);
    for (const { name } of functions) expect(may(name, 's3:GetObject', 'other/x')).toBe(false);
  });

  it('no function may perform any action, scan the table or access every resource', () => {
    for (const { name } of functions) {
      for (const { Effect, Action, Resource } of of(name).statements) {
        if (Effect === 'Deny') continue;
        for (const action of [Action].flat()) expect([name, action]).not.toEqual([name, expect.stringContaining('*')]);
        const everything = [Resource].flat().includes('*') && Action;
        expect([name, everything]).toEqual([name, everything && 'dynamodb:ListStreams']);
      }
      expect(mayItem(name, 'dynamodb:Scan', 'keys')).toBe(false);
      expect(mayItem(name, 'dynamodb:PartiQLSelect', 'keys')).toBe(false);
      expect(of(name).allows({ action: 'iam:PassRole', resource: '*' })).toBe(false);
    }
  });
});
