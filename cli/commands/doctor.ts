import type { Finding } from '../../lib/core/vendor.ts';
import type { Api } from '../api.ts';
import { nodeProblem } from '../node-version.ts';
import { isRecord, messageOf, type Output, signOf } from '../output.ts';

/** Session keys and signatures tolerate minutes of difference. More than this means that a clock is not synchronised. */
const maxClockSkewMs = 30_000;

/** `trunkline doctor`: finds what keeps this installation from working, and says what to do about it. */
export async function doctor(api: Api, output: Output, { aws }: { aws?: boolean }): Promise<boolean> {
  const findings: Finding[] = [versionOf(process.versions.node)];
  const reach = await reachOf(api);
  findings.push(...reach);
  if (reach.every(({ state }) => state !== 'bad')) {
    const key = await keyOf(api);
    findings.push(...key, ...(await healthOf(api)));
    // Without a key, there is nothing to ask.
    if (key.every(({ state }) => state !== 'bad')) findings.push(...(await connectionsOf(api)));
  }
  if (aws) findings.push(...(await (await import('./doctor-aws.ts')).awsFindings()));
  output.result(
    findings,
    findings.map(({ subject, state, message }) => `${signOf(state)} ${subject}: ${message}`).join('\n'),
  );
  return findings.every(({ state }) => state !== 'bad');
}

function versionOf(version: string): Finding {
  const problem = nodeProblem(version);
  return { subject: 'node', state: problem === undefined ? 'good' : 'bad', message: problem ?? version };
}

async function reachOf(api: Api): Promise<Finding[]> {
  try {
    const before = Date.now();
    const answer = await fetch(`${api.account.url}/health`);
    const after = Date.now();
    if (!/json/.test(answer.headers.get('content-type') ?? '')) {
      const message = `${api.account.url} answers with ${answer.status}, but not as Trunkline does. Check the address, and the proxy in front.`;
      return [{ subject: 'reach', state: 'bad', message }];
    }
    const theirs = Date.parse(answer.headers.get('date') ?? '');
    const skew = Number.isNaN(theirs) ? 0 : theirs < before - 1_000 ? before - theirs : Math.max(0, theirs - after);
    return [
      { subject: 'reach', state: 'good', message: `${api.account.url} answered in ${after - before} ms.` },
      skew > maxClockSkewMs
        ? {
            subject: 'clock',
            state: 'warning',
            message: `The clocks differ by ${Math.round(skew / 1000)} s. Set this machine's or the server's by NTP.`,
          }
        : { subject: 'clock', state: 'good', message: 'The clocks agree.' },
    ];
  } catch (error) {
    return [
      {
        subject: 'reach',
        state: 'bad',
        message: `${api.account.url} does not answer: ${reasonOf(error)}. Start it, or correct the address.`,
      },
    ];
  }
}

/** `fetch` keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}

async function keyOf(api: Api): Promise<Finding[]> {
  try {
    const { name, scopes = [] } = await api.get<{ name?: string; scopes?: string[] }>('/v1/me');
    return [{ subject: 'key', state: 'good', message: `${name ?? 'unnamed'}, scopes ${scopes.join(', ')}` }];
  } catch (error) {
    return [{ subject: 'key', state: 'bad', message: `${messageOf(error)} Run "trunkline sign-in" with another key.` }];
  }
}

async function healthOf(api: Api): Promise<Finding[]> {
  const answer = await fetch(`${api.account.url}/health`);
  const body: unknown = await answer.json();
  if (answer.ok) return [{ subject: 'health', state: 'good', message: "The last minute's work was completed." }];
  const checks = isRecord(body) && isRecord(body.checks) ? JSON.stringify(body.checks) : JSON.stringify(body);
  return [{ subject: 'health', state: 'bad', message: `${answer.status}: ${checks}` }];
}

/** What is shown even if it is good: the server's version, and how much of a quota is used. */
const toldSubjects: ReadonlySet<string> = new Set(['version', 'quota']);

async function connectionsOf(api: Api): Promise<Finding[]> {
  const connections = await api
    .get<{ vendor: string; name: string }[]>('/v1/connections')
    .catch((error: unknown): Finding => ({ subject: 'connections', state: 'bad', message: messageOf(error) }));
  if (!Array.isArray(connections)) return [connections];
  const checks = connections.map(async ({ vendor, name }): Promise<Finding[]> => {
    const subject = `${vendor}/${name}`;
    try {
      const { findings = [] } = await api.post<{ findings?: Finding[] }>(`/v1/connections/${vendor}/${name}/check`);
      const wrong = findings.filter(({ state }) => state !== 'good');
      if (wrong.length === 0) {
        const known = findings.filter((each) => toldSubjects.has(each.subject)).map(({ message }) => message);
        return [{ subject, state: 'good', message: ['works', ...known].join('. ') }];
      }
      return wrong.map((each) => ({ ...each, subject: `${subject} ${each.subject}` }));
    } catch (error) {
      return [{ subject, state: 'bad', message: messageOf(error) }];
    }
  });
  return (await Promise.all(checks)).flat();
}
