import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;
const book = { b_o: 'demo', b_c: 'operations' };
const cell = { rowId: '19975055', fieldId: '1367499' };
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
});
afterEach(() => sandbox.close());

async function upload(fields: Record<string, string>, bytes: Uint8Array, name: string, type: string): Promise<Answer> {
  const form = new FormData();
  for (const [key, value] of Object.entries({ ...demo.me, req: 'fileUpload', ...book, uuid: 'FU-1', ...fields }))
    form.set(key, value);
  form.set('qqfile', new Blob([bytes.slice()], { type }), name);
  return (await (await fetch(`${sandbox.baseUrl}/api.php`, { method: 'POST', body: form })).json()) as Answer;
}

describe('fileUpload', () => {
  it('attaches a file to a cell and answers in snake case', async () => {
    const bytes = Buffer.from(`\r\n--boundary\r\nnot a delimiter${'\r\n-'.repeat(40_000)}`);
    const answer = await upload(cell, bytes, 'Évacuation B.JPG', 'image/jpeg');
    expect(answer).toMatchObject({
      status: 'ok',
      row_id: '19975055',
      field_id: '1367499',
      type: 'media',
      ext: 'jpg',
      mdc: '0',
      filesize: String(bytes.length),
    });
    expect(answer.originName).toBe('Évacuation B.JPG');
    expect(sandbox.state.files.at(-1)?.sha256).toBe(sha256(bytes));
    const back = await demo.file(`oii/full/demo/operations/${answer.id}/`);
    expect(back.headers.get('content-type')).toBe('image/jpeg');
    expect(Buffer.from(await back.arrayBuffer()).equals(bytes)).toBe(true);
    const shown = at(await demo.call('getTableValues', { catId: '126185' }), 'tableValues.fields.9.values.0');
    expect(shown).toMatchObject({ text: 'Évacuation B.JPG', value: [{ id: Number(answer.id), size: bytes.length }] });
  });

  it('attaches as many files to a message as it announced', async () => {
    const { smid } = await demo.call('sendMsg', { ...book, msg: 'two files', nbMedias: '1', nbDocs: '1' });
    const at = { smid: String(smid) };
    const before = BigInt(sandbox.state.messages.at(-1)?.sstamp ?? '0');
    expect((await upload(at, Buffer.from('a'), 'a.png', 'image/png')).status).toBe('ok');
    expect((await upload(at, Buffer.from('b'), 'b.pdf', 'application/pdf')).status).toBe('ok');
    expect((await upload(at, Buffer.from('c'), 'c.png', 'image/png')).error).toContain(
      'announced 1 of media and has 1',
    );
    // The message counts as changed, so that an incremental read returns its files.
    expect(BigInt(sandbox.state.messages.at(-1)?.sstamp ?? '0')).toBeGreaterThan(before);
    expect(sandbox.state.files.slice(-2).map(({ mdc, type }) => [mdc, type])).toEqual([
      [0, 'media'],
      [0, 'doc'],
    ]);
  });

  it.each([
    ['no place', {}, 'either smid, or rowId and fieldId'],
    ['two places', { ...cell, smid: '346916' }, 'either smid, or rowId and fieldId'],
    ['a field of text', { ...cell, fieldId: '1367490' }, 'is not a file field'],
    ['a temporary row', { ...cell, rowId: 'tmp1' }, 'invalid rowId'],
    ['an unknown field', { ...cell, size: '1' }, 'unknown parameter size'],
    ['a dead session', { ...cell, sesskey: 'dead' }, 'invalid sesskey'],
  ])('refuses %s, and answers while the file is still being sent', async (_what, fields, reason) => {
    expect((await upload(fields, Buffer.alloc(3_000_000), 'a.png', 'image/png')).error).toContain(reason);
  });

  it('wants exactly one file, named qqfile, in a multipart body', async () => {
    const form = new FormData();
    for (const [key, value] of Object.entries({ ...demo.me, req: 'fileUpload', ...book, ...cell, uuid: 'x' }))
      form.set(key, value);
    form.set('file', new Blob(['x'.repeat(20_000_000)]), 'x.txt');
    const wrong = await fetch(`${sandbox.baseUrl}/api.php`, { method: 'POST', body: form });
    expect(at(await wrong.json(), 'error')).toBe('exactly one file named qqfile is expected');
    expect((await demo.call('fileUpload', { ...book, ...cell, uuid: 'x' })).error).toContain('no file');
  });

  it('hashes what it does not keep', async () => {
    const bytes = Buffer.alloc(17 * 1024 * 1024, 'abc');
    const answer = await upload(cell, bytes, 'film.mp4', 'video/mp4');
    expect(sandbox.state.files.at(-1)).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
    expect((await demo.file(`oii/full/demo/operations/${answer.id}`)).status).toBe(404);
  });
});

describe('files by URL', () => {
  const here = 'demo/operations';
  it.each([
    [`ic/norm/${here}/346916/0/site-plan.png`, 'image/png', 1949],
    [`oic/tb/${here}/346916/0/`, 'image/png', 1949],
    [`dc/tb/${here}/346916/0`, 'image/png', undefined],
    [`odc/full/${here}/346916/0/briefing.pdf`, 'application/pdf', 69],
    [`odc/tb/${here}/346916/0/briefing.pdf`, 'image/png', undefined],
    [`ii/full/${here}/18168/x.png`, 'image/png', 1949],
    [`ii/tb/${here}/18168/`, 'image/png', undefined],
    [`ii/cover/${here}/18168/`, 'image/png', undefined],
    [`oii/full/${here}/18168`, 'image/png', 1949],
    [`di/tb/${here}/18169`, 'image/png', undefined],
    [`odi/full/${here}/18169`, 'application/pdf', 69],
    ['in/norm/34s96Bm9c8/', 'image/png', 1949],
    ['oin/norm/FU-1452006602-34s96Bm9c8/a.png', 'image/png', 1949],
    ['dn/tb/mTFSzwyKoL.pdf', 'image/png', undefined],
    ['odn/full/mTFSzwyKoL/briefing.pdf', 'application/pdf', 69],
    [`last/cover/${here}/`, 'image/png', undefined],
    [`last/full/${here}/18168`, 'image/png', 1949],
    ['ui/tb/alex/34556', 'image/png', undefined],
    ['ui/norm/demo/34556', 'image/png', undefined],
  ])('%s', async (path, type, size) => {
    const response = await demo.file(path);
    const bytes = (await response.arrayBuffer()).byteLength;
    expect([
      response.status,
      response.headers.get('content-type'),
      Number(response.headers.get('content-length')),
    ]).toEqual([200, type, bytes]);
    expect(bytes).toBe(size ?? bytes);
    expect(demo.refusal()).toBeUndefined();
  });

  it.each([
    ['xx/full/demo/operations/1', 404],
    ['dc/full/demo/operations/346916/0', 404],
    ['odi/tb/demo/operations/18169', 404],
    ['ii/huge/demo/operations/18168', 404],
    ['ii/full/demo/operations', 404],
    ['ii/full/demo/operations/18169', 404],
    ['ui/tb/alex/now', 404],
    ['in/full/%zz', 404],
  ])('refuses %s', async (path, status) => {
    expect((await demo.file(path)).status).toBe(status);
  });

  it('are open to anyone only by internal name', async () => {
    const open = await fetch(`${sandbox.baseUrl}/dbi/odn/full/mTFSzwyKoL`);
    expect(open.headers.get('content-type')).toBe('application/pdf');
    const closed = await fetch(`${sandbox.baseUrl}/dbi/odi/full/${here}/18169`);
    expect(await closed.json()).toMatchObject({ status: 'nok' });
    expect(demo.refusal()).toContain('POST is expected');
    demo.me.sesskey = 'dead';
    expect(await (await demo.file(`odi/full/${here}/18169`)).json()).toMatchObject({
      status: 'nok',
      error: expect.stringContaining('sesskey'),
    });
  });

  it('of any size are made on demand, streamed, and cut where a test wants it', async () => {
    const file = await sandbox.control.generateFile({
      name: 'film.mp4',
      type: 'video/mp4',
      size: 70_000_001,
      rowId: '19975055',
    });
    const path = `oii/full/${here}/${file.id}`;
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of (await demo.file(path)).body ?? []) {
      hash.update(chunk);
      size += chunk.length;
    }
    expect([size, hash.digest('hex')]).toEqual([70_000_001, file.sha256]);
    sandbox.control.cutDownloads({ afterBytes: 1_000_000 });
    let received = 0;
    const broken = async () => {
      for await (const chunk of (await demo.file(path)).body ?? []) received += chunk.length;
    };
    await expect(broken()).rejects.toThrow();
    expect(received).toBe(1_000_000);
    expect((await demo.file(path)).headers.get('content-length')).toBe('70000001');
  });
});
