import type { HttpRequest } from './request.ts';

/**
 * Where the caller reaches this gateway, without a slash at the end: `TRUNKLINE_PUBLIC_URL`, or what the request says. Behind API
 * Gateway that is always https; an invalid host header leaves the URL empty, and so relative.
 */
export function serverUrl(request: Pick<HttpRequest, 'headers'>): string {
  const { TRUNKLINE_PUBLIC_URL: publicUrl } = process.env;
  if (publicUrl) return publicUrl.replace(/\/+$/, '');
  const host = request.headers.host?.toLowerCase() ?? '';
  if (!/^([a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?$/.test(host)) return '';
  const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  return `${scheme}://${host}`;
}
