import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A lock that one process holds at a time. The kernel releases it when the process dies, however it dies. */
export interface ProcessLock {
  release(): void;
}

/**
 * Locks a directory for this process, creating it (0700) if needed, and throws an error that names the process that has it.
 * SQLite's file lock is used because it is the one lock that Node can take on every system without a stale state to clean up.
 */
export function lockDirectory(directory: string): ProcessLock {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const holderFile = join(directory, 'holder.pid');
  const lock = new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== sqliteBusy) throw error;
    throw new Error(
      `${directory} is in use by process ${readHolder(holderFile)}: stop it, or set TRUNKLINE_DATA to another directory`,
      { cause: error },
    );
  }
  writeFileSync(holderFile, `${process.pid}\n`);
  return {
    release: () => {
      if (!lock.isOpen) return;
      rmSync(holderFile, { force: true });
      lock.close();
    },
  };
}

const sqliteBusy = 5;

function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    // The holder is between taking the lock and writing its id.
    return '(just starting)';
  }
}
