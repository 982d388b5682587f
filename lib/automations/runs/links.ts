import { createHmac, randomBytes } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';
import type { RunItem, RunServices } from './runs.ts';

export interface LinkServices {
  /** Where people reach this gateway, without a slash at the end; links are relative without it. */
  publicUrl?: string;
}

/** A link that a person opens: which run it is of, and its name there. */
export interface RunLink {
  runId: string;
  name: string;
}

/** The addresses of the links that a template asks for with `$link('NAME')`, by name; undefined where it asks for none. */
export async function linksFor(
  services: RunServices & LinkServices,
  run: RunItem,
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

/** A new secret to sign the links of a run with. */
export function newLinkSecret(): string {
  return randomBytes(24).toString('base64url');
}

/** What a token says it is a link to. It is not to be believed before `isGenuine`. */
export function linkOf(token: string): RunLink | undefined {
  const [, runId, name] =
    /^(run_[a-z0-9]{1,40}_[a-z0-9]{1,10}_[0-9a-f]{12})\.([A-Za-z]\w{0,49})\.[\w-]{22}$/.exec(token) ?? [];
  return runId === undefined || name === undefined ? undefined : { runId, name };
}

/** Whether a token was made for a run by us. */
export function isGenuine(token: string, run: RunItem, link: RunLink): boolean {
  return run.linkSecret !== undefined && equalInConstantTime(token, tokenOf(run.linkSecret, link));
}

function tokenOf(secret: string, { runId, name }: RunLink): string {
  const signature = createHmac('sha256', secret).update(`${runId}.${name}`).digest('base64url').slice(0, 22);
  return `${runId}.${name}.${signature}`;
}
