import { expect, test } from 'vitest';
import { useFiles } from '../../test/support/files-fixture.ts';

const used = useFiles();

const link = async (body: string, seconds = 60, name?: string) => {
  await used.files.put('answers/1', Buffer.from(body), 'text/html');
  return used.files.link('answers/1', seconds, name);
};

test('returns the file as a download that cannot run as a page', async () => {
  const response = await fetch(await link('<script>alert(1)</script>', 60, 'Bericht März.html'));
  expect(await response.text()).toBe('<script>alert(1)</script>');
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/html',
    'content-length': '25',
    'content-disposition': `attachment; filename="Bericht M_rz.html"; filename*=UTF-8''Bericht%20M%C3%A4rz.html`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
  });
});

test.each([
  ['bytes=2-4', 206, 'cde', 'bytes 2-4/10'],
  ['bytes=7-', 206, 'hij', 'bytes 7-9/10'],
  ['bytes=-2', 206, 'ij', 'bytes 8-9/10'],
  ['bytes=5-99', 206, 'fghij', 'bytes 5-9/10'],
  ['bytes=10-', 416, '', 'bytes */10'],
  ['bytes=0-1,4-5', 200, 'abcdefghij', null],
  ['items=0-1', 200, 'abcdefghij', null],
])('answers the range %s with %s', async (range, status, body, header) => {
  const response = await fetch(await link('abcdefghij'), { headers: { range } });
  expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
    status,
    body,
    header,
  ]);
});

test('returns the size for HEAD', async () => {
  const response = await fetch(await link('abcdefghij'), { method: 'HEAD' });
  expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '10', '']);
});

test('is valid only for its time, and only unchanged', async () => {
  const url = await link('x');
  expect((await fetch(`${url.slice(0, -2)}AA`)).status).toBe(403);
  expect((await fetch(url.replace('/files/', '/files/x'))).status).toBe(403);
  const { url: uploadUrl } = await used.promise(1);
  expect((await fetch(uploadUrl.replace('/uploads/', '/files/'))).status).toBe(403);
  used.time += 60_000;
  expect((await fetch(url)).status).toBe(403);
});

test('to a removed file is 404', async () => {
  const url = await link('x');
  await used.files.remove('answers/1');
  expect((await fetch(url)).status).toBe(404);
});
