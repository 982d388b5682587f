import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';

const retentionSeconds = 24 * 60 * 60;
/** Records that are removed at a time. */
const portion = 200;

/**
 * Gives the embedded database's stream the index it lacks: it looks for the last sequence number at each write, and without
 * this each write reads all stream records there are (7 ms after 16,000 writes instead of 0.5).
 */
export function indexStream(dataFile: string): void {
  const database = openDatabase(dataFile);
  try {
    database.exec(
      `CREATE INDEX IF NOT EXISTS trunkline_stream_sequence
         ON _stream_records (table_name, CAST(sequence_number AS INTEGER))`,
    );
  } finally {
    database.close();
  }
}

/**
 * Removes stream records older than 24 h, as AWS does and the embedded database does not, and all beyond the newest 200,000, so
 * that a busy day does not fill the disk. The newest of each table stays, since the next sequence number is counted from it.
 * `now` is epoch milliseconds. Answers how many went. Ends early once it is aborted.
 */
export async function trimStream(dataFile: string, now: number, keep = 200_000, signal?: AbortSignal): Promise<number> {
  const database = openDatabase(dataFile);
  try {
    const newest = database.prepare('SELECT MAX(id) AS id FROM _stream_records GROUP BY table_name').all();
    const last = Math.max(0, ...newest.map(({ id }) => Number(id)));
    const remove = database.prepare(
      `DELETE FROM _stream_records
        WHERE id IN (SELECT id FROM _stream_records ORDER BY id LIMIT ${portion})
          AND (created_at < ? OR id <= ?)
          AND id NOT IN (${newest.map(({ id }) => Number(id)).join()})`,
    );
    let total = 0;
    while (!signal?.aborted) {
      const removed = Number(remove.run(Math.floor(now / 1000) - retentionSeconds, last - keep).changes);
      if (removed === 0) break;
      total += removed;
      // Neither this process nor the database waits long for a portion.
      await nextTurn();
    }
    return total;
  } finally {
    database.close();
  }
}

function openDatabase(dataFile: string): DatabaseSync {
  return new DatabaseSync(dataFile, { timeout: 5000 });
}
