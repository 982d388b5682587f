import { createHmac, randomBytes } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';

export interface LinkServices {
  /** The public base URL of this gateway, without a trailing slash; links are relative without it. */
  publicUrl?: string;
}

/** A link that a person opens: its run, and its name within the run. */
export interface RunLink {
  runId: string;
  name: string;
}

/** A run as far as it issues links. */
interface LinkIssuer {
  id: string;
  linkSecret?: string;
}

/** The addresses of the links that a template requests with `$link('NAME')`, by name; undefined if it requests none. */
export async function linksFor(
  services: LinkServices,
  run: LinkIssuer,
  template: unknown,
): Promise<Record<string, string> | undefined> {
  const names = linkNames(template);
  if (names.length === 0) return undefined;
  const secret = run.linkSecret ?? '';
  return Object.fromEntries(
    names.map((name) => [name, `${services.publicUrl ?? ''}/links/${tokenOf(secret, { runId: run.id, name })}`]),
  );
}

/** The names of the links in a template. */
export function linkNames(template: unknown): string[] {
  const text = JSON.stringify(template) ?? '';
  return [
    ...new Set(
      [...text.matchAll(/\$link\(\s*\\?["']([A-Za-z]\w{0,49})\\?["']\s*\)/g)].flatMap(([, name]) => name ?? []),
    ),
  ];
}

/** Creates a secret that signs the links of a run. */
export function newLinkSecret(): string {
  return randomBytes(24).toString('base64url');
}

/** The link that a token claims to be. It must not be trusted before `isGenuine`. */
export function linkOf(token: string): RunLink | undefined {
  const [, runId, name] =
    /^(run_[a-z0-9]{1,40}_[a-z0-9]{1,10}_[0-9a-f]{12})\.([A-Za-z]\w{0,49})\.[\w-]{22}$/.exec(token) ?? [];
  return runId === undefined || name === undefined ? undefined : { runId, name };
}

/** Whether Trunkline issued a token for a run. */
export function isGenuine(token: string, run: LinkIssuer, link: RunLink): boolean {
  return run.linkSecret !== undefined && equalInConstantTime(token, tokenOf(run.linkSecret, link));
}

function tokenOf(secret: string, { runId, name }: RunLink): string {
  const signature = createHmac('sha256', secret).update(`${runId}.${name}`).digest('base64url').slice(0, 22);
  return `${runId}.${name}.${signature}`;
}
