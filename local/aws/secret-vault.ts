import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { seal, unseal } from '../../lib/core/seal.ts';
import { lockDirectory } from '../runtime/process-lock.ts';

/** A secret as it is kept. */
export interface Secret {
  name: string;
  arn: string;
  value: string;
  /** When it is finally deleted, in epoch milliseconds; set once its deletion is scheduled. */
  deletedAt?: number;
}

/** As stored before there was only one value: that of the stage `AWSCURRENT` counts. */
interface VersionedSecret extends Omit<Secret, 'value'> {
  versions: { stages: string[]; string?: string }[];
}

/** Secrets on disk, each sealed with AES-256-GCM. A write that returned survives kill -9 and a power cut. */
export interface SecretVault {
  get(name: string): Secret | undefined;
  set(secret: Secret): void;
  remove(name: string): void;
  close(): void;
}

// Sealed under a name that no secret can have; it distinguishes a wrong key from a damaged secret.
const checkName = '';

/** Opens the vault of a directory exclusively for this process. Its key is the file `key` in the directory, created at the first start. */
export function openSecretVault(directory: string): SecretVault {
  const lock = lockDirectory(directory);
  try {
    const database = new DatabaseSync(join(directory, 'secrets.db'));
    database.exec(`PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON;
      CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID`);
    const read = database.prepare('SELECT sealed FROM secrets WHERE name = ?');
    const write = database.prepare('INSERT OR REPLACE INTO secrets (name, sealed) VALUES (?, ?)');
    const erase = database.prepare('DELETE FROM secrets WHERE name = ?');

    const check = read.get(checkName);
    const key = loadKey(join(directory, 'key'), check === undefined);
    if (check === undefined) write.run(checkName, seal(key, checkName, 'trunkline'));
    else openCheck(key, check.sealed as Uint8Array, directory);

    return {
      get: (name) => {
        const row = name === checkName ? undefined : read.get(name);
        return row && secretOf(JSON.parse(unseal(key, name, row.sealed as Uint8Array)));
      },
      set: (secret) => void write.run(secret.name, seal(key, secret.name, JSON.stringify(secret))),
      remove: (name) => void erase.run(name),
      close: () => {
        if (database.isOpen) database.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function secretOf(stored: Secret | VersionedSecret): Secret {
  if (!('versions' in stored)) return stored;
  const { versions, ...secret } = stored;
  return { ...secret, value: versions.find(({ stages }) => stages.includes('AWSCURRENT'))?.string ?? '' };
}

function loadKey(file: string, isNew: boolean): Buffer {
  if (existsSync(file)) return readFileSync(file);
  if (!isNew)
    throw new Error(`The key file ${file} is missing: put it back, the secrets next to it cannot be read without it`);
  const key = randomBytes(32);
  const draft = `${file}.new`;
  const descriptor = openSync(draft, 'w', 0o600);
  writeSync(descriptor, key);
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(draft, file);
  const directory = openSync(dirname(file), 'r');
  fsyncSync(directory);
  closeSync(directory);
  return key;
}

function openCheck(key: Buffer, sealed: Uint8Array, directory: string): void {
  try {
    unseal(key, checkName, sealed);
  } catch (cause) {
    throw new Error(`The key file in ${directory} is not the one that encrypted the secrets next to it`, {
      cause,
    });
  }
}
