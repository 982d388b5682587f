import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process with everything that it started, by process id. */
export function processTree(root: number): number[] {
  const lines = spawnSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n');
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const tree = [root];
  for (const parent of tree) {
    for (const [pid, ppid] of pairs) if (ppid === parent && pid !== undefined) tree.push(pid);
  }
  return tree;
}

/** The TCP ports that processes listen on. */
export function listeningPorts(pids: readonly number[]): number[] {
  const sockets = new Set(pids.flatMap(socketsOf));
  const ports = ['tcp', 'tcp6'].flatMap((kind) =>
    readFileSync(`/proc/net/${kind}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && sockets.has(fields[9] ?? ''))
      .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)),
  );
  return [...new Set(ports)];
}

function socketsOf(pid: number): string[] {
  return orNothing(() => readdirSync(`/proc/${pid}/fd`)).flatMap((fd) =>
    orNothing(() => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.slice(1) ?? []),
  );
}

/** Processes and their files come and go while they are listed. */
function orNothing(list: () => string[]): string[] {
  try {
    return list();
  } catch {
    return [];
  }
}
