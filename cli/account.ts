import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { UsageError } from './failures.ts';

/** Where an installation answers, and the key that it is called with. */
export interface Account {
  url: string;
  key: string;
}

/** What every command takes. */
export interface AccountOptions {
  url?: string;
  key?: string;
}

/** The file that a product on this machine leaves in its data folder, for the user who owns the folder. */
export const localAccountFile = 'command-line.json';

/** The file of this user, written by `trunkline sign-in`. */
export function userAccountFile(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'trunkline', 'account.json');
}

/**
 * The account of a command: its options, then `TRUNKLINE_URL` and `TRUNKLINE_KEY`, then the product on this machine (its data
 * folder is `TRUNKLINE_DATA`, or `.trunkline` here), then what `trunkline sign-in` stored. An address without a key never gets the key of
 * another address.
 */
export function findAccount(options: AccountOptions, env: NodeJS.ProcessEnv = process.env): Account {
  // A variable that is set to nothing counts as not set.
  const url = options.url ?? (env.TRUNKLINE_URL || undefined);
  const key = options.key ?? (env.TRUNKLINE_KEY || undefined);
  const stored = [join(env.TRUNKLINE_DATA ?? '.trunkline', localAccountFile), userAccountFile(env)]
    .map(readAccount)
    .find((each) => each !== undefined && (url === undefined || each.url === withoutSlash(url)));
  const account = { url: url ?? stored?.url, key: key ?? stored?.key };
  if (account.url === undefined || account.key === undefined) {
    throw new UsageError(
      account.url === undefined
        ? 'No installation is known here. Start one with "trunkline start", or name one with "trunkline sign-in".'
        : `No key is known for ${account.url}. Set TRUNKLINE_KEY, or run "trunkline sign-in --url ${account.url}".`,
    );
  }
  return { url: withoutSlash(account.url), key: account.key };
}

/** Stores an account so that only this user can read it. */
export function storeAccount(file: string, account: Account): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify({ ...account, url: withoutSlash(account.url) })}\n`, { mode: 0o600 });
  // A file that was there before keeps its mode when it is written.
  chmodSync(file, 0o600);
}

function readAccount(file: string): Account | undefined {
  try {
    const { url, key } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Account>;
    return typeof url === 'string' && typeof key === 'string' ? { url, key } : undefined;
  } catch {
    return undefined;
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
