import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Stores the state of a sandbox vendor between starts. Without a path, it stores nothing. */
export interface StateFile<State> {
  load(): State | undefined;
  /** Writes the state before it returns, unless it is unchanged. */
  save(state: State): void;
  /** Writes the state within a second; batches calls. */
  saveLater(state: State): void;
  /** Writes pending changes of `saveLater`. */
  close(): void;
}

/** Opens a state file. An unreadable file counts as absent. */
export function openStateFile<State extends object>(path: string | undefined): StateFile<State> {
  if (path === undefined) return { load: () => undefined, save: () => {}, saveLater: () => {}, close: () => {} };
  let saved = '';
  let owed: { state: State; timer: NodeJS.Timeout } | undefined;

  return {
    load: () => {
      try {
        saved = readFileSync(path, 'utf8');
        return JSON.parse(saved) as State;
      } catch {
        return undefined;
      }
    },
    save: (state) => {
      if (owed) clearTimeout(owed.timer);
      owed = undefined;
      write(state);
    },
    saveLater: (state) => {
      owed ??= { state, timer: setTimeout(flushOrWait, 1000).unref() };
    },
    close: flush,
  };

  /** A disk that is full now may have room in a second. */
  function flushOrWait(): void {
    const state = owed?.state;
    try {
      flush();
    } catch {
      owed = state && { state, timer: setTimeout(flushOrWait, 1000).unref() };
    }
  }

  function flush(): void {
    if (!owed) return;
    clearTimeout(owed.timer);
    const { state } = owed;
    owed = undefined;
    write(state);
  }

  function write(state: State): void {
    const text = JSON.stringify(state);
    if (text === saved) return;
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path as string);
    saved = text;
  }
}
