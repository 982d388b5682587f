import { AsyncLocalStorage } from 'node:async_hooks';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type FunctionDeclaration, functions } from '../../functions/declarations.ts';
import type { FileStore } from '../../lib/core/files.ts';

/** A request that a function made without having declared the right to it; on AWS it is refused. */
export interface Denial {
  function: string;
  action: string;
  resource: string;
}

export interface EnforcedRights {
  /** Runs an invocation of a function, and checks every request to AWS that it makes against the function's declaration. */
  enforceFor<T>(functionName: string, run: () => T): T;
  guardFiles(files: FileStore): void;
  denials: Denial[];
  stop(): void;
}

/** An attribute as the low-level client sends it. */
type Attribute = { S?: string };
type Attributes = Record<string, Attribute | undefined>;
type Sends = { send(this: unknown, command: { input: object }, ...rest: unknown[]): unknown };

/**
 * Holds the requests of a product that runs in this process against the rights that each function declares, as IAM does on AWS:
 * leading keys of the table, names of secrets, prefixes of files, functions that may be started. A request that is not covered
 * throws `AccessDeniedException` and is noted. The functions share one process and its caches here, so that something which
 * another function has read may be found without a right; what is written is always checked.
 */
export function enforceRights(): EnforcedRights {
  const current = new AsyncLocalStorage<FunctionDeclaration>();
  const denials: Denial[] = [];
  const patched: (() => void)[] = [];

  const require = (allowed: (own: FunctionDeclaration) => boolean, action: string, resource: string) => {
    const own = current.getStore();
    if (own === undefined || allowed(own)) return;
    denials.push({ function: own.name, action, resource });
    throw Object.assign(new Error(`${own.name} may not ${action} ${resource}`), { name: 'AccessDeniedException' });
  };
  const patch = (client: { prototype: object }, check: (command: { input: object }) => void) => {
    // The client's own method, whose many overloads do not matter here.
    const prototype = client.prototype as Sends;
    const send = prototype.send;
    prototype.send = function (command, ...rest) {
      // Requests of the local product itself, which no function makes.
      if (current.getStore() !== undefined) check(command);
      return send.call(this, command, ...rest);
    };
    patched.push(() => {
      prototype.send = send;
    });
  };

  patch(DynamoDBClient, (command) => {
    for (const { write, pk, index } of itemsOf(command.constructor.name, command.input)) {
      // Executions are items on one machine only; on AWS Lambda keeps them.
      if (pk.startsWith('execution#')) continue;
      const allowed = ({ table = {} }: FunctionDeclaration) =>
        index
          ? (table.due ?? []).some((kind) => new RegExp(`^${kind.replace('*', '.*')}#`).test(pk))
          : matches([...(table.write ?? []), ...(write ? [] : (table.read ?? []))], pk);
      require(allowed, command.constructor.name, pk);
    }
  });
  patch(SecretsManagerClient, (command) => {
    const { SecretId, Name } = command.input as { SecretId?: string; Name?: string };
    const name = SecretId ?? Name ?? '';
    const action = command.constructor.name;
    const allowed = ({ secrets = {} }: FunctionDeclaration) => {
      const manage = secrets.manage ?? [];
      if (action === 'GetSecretValueCommand') return matches([...(secrets.read ?? []), ...manage], name);
      if (name.endsWith('/_session-key')) return false;
      if (action === 'PutSecretValueCommand') return matches([...(secrets.change ?? []), ...manage], name);
      if (action === 'DeleteSecretCommand') return matches([...(secrets.remove ?? []), ...manage], name);
      return matches(manage, name);
    };
    require(allowed, action, name);
  });
  patch(LambdaClient, (command) => {
    const { FunctionName } = command.input as { FunctionName?: string };
    const action = command.constructor.name;
    const allowed = ({ name, starts = [], startsItself, completes = [], trigger }: FunctionDeclaration) =>
      FunctionName === undefined
        ? completes.length > 0 || (typeof trigger === 'object' && 'durable' in trigger)
        : starts.includes(FunctionName) || (startsItself === true && FunctionName === name);
    require(allowed, action, FunctionName ?? 'a callback');
  });

  return {
    enforceFor: (functionName, run) => current.run(declarationOf(functionName), run),
    guardFiles(files) {
      const guard = <Name extends 'get' | 'put' | 'remove'>(name: Name, write: boolean) => {
        const original = files[name];
        const guarded = (key: string, ...rest: unknown[]) => {
          const allowed = ({ files: own = {} }: FunctionDeclaration) =>
            [...(own.write ?? []), ...(write ? [] : (own.read ?? []))].some((prefix) => key.startsWith(prefix));
          require(allowed, `${name} the file`, key);
          return (original as (...given: unknown[]) => unknown).call(files, key, ...rest);
        };
        // The same parameters and the same answer as before.
        files[name] = guarded as FileStore[Name];
      };
      guard('get', false);
      guard('put', true);
      guard('remove', true);
    },
    denials,
    stop() {
      for (const undo of patched.splice(0)) undo();
    },
  };
}

function declarationOf(name: string): FunctionDeclaration {
  const found = functions.find((each) => each.name === name);
  if (!found) throw new Error(`There is no function ${name}`);
  return found;
}

/** True when one of the patterns covers the text; `*` stands for the rest. */
function matches(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => (pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern));
}

/** The partition keys that a command touches, and whether it writes there. */
function itemsOf(command: string, input: object): { write: boolean; pk: string; index?: boolean }[] {
  // The shapes of the low-level client, each under its command's name.
  const { Key, Item, RequestItems, TransactItems, IndexName, ExpressionAttributeValues } = input as {
    Key?: Attributes;
    Item?: Attributes;
    RequestItems?: Record<string, { Keys?: Attributes[] }>;
    TransactItems?: Record<string, { Key?: Attributes; Item?: Attributes } | undefined>[];
    IndexName?: string;
    ExpressionAttributeValues?: Attributes;
  };
  const pkOf = (attributes: Attributes | undefined) => attributes?.pk?.S ?? '';
  switch (command) {
    case 'GetItemCommand':
      return [{ write: false, pk: pkOf(Key) }];
    case 'PutItemCommand':
      return [{ write: true, pk: pkOf(Item) }];
    case 'UpdateItemCommand':
    case 'DeleteItemCommand':
      return [{ write: true, pk: pkOf(Key) }];
    case 'QueryCommand':
      return [{ write: false, pk: ExpressionAttributeValues?.[':pk']?.S ?? '', index: IndexName !== undefined }];
    case 'BatchGetItemCommand':
      return Object.values(RequestItems ?? {}).flatMap(({ Keys = [] }) =>
        Keys.map((key) => ({ write: false, pk: pkOf(key) })),
      );
    case 'TransactWriteItemsCommand':
      return (TransactItems ?? []).flatMap((each) =>
        Object.values(each).map((part) => ({ write: true, pk: pkOf(part?.Item ?? part?.Key) })),
      );
    default:
      throw new Error(`${command} is not known here: say which items it touches`);
  }
}
