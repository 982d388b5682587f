import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;
const api = () => `${sandbox.baseUrl}/api.php`;
const version = '1.47';

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
});
afterEach(() => sandbox.close());

describe('keys', () => {
  it('lead from appkey to oauthkey to sesskey, in the form the document shows', async () => {
    expect(demo.me.sesskey).toMatch(/^(?:[A-Za-z0-9]{4}-){5}0$/);
    const info = await demo.call('getUserInfo');
    expect(info).toMatchObject({
      status: 'ok',
      req: 'getUserInfo',
      userInfo: { u_c: 'demo', projectID: 7845287998512 },
    });
    expect(sandbox.journal.filter(({ refusal }) => refusal)).toEqual([]);
  });

  it('are refused with the publicly known messages, in either shape', async () => {
    const appkey = String((await demo.send({ version, req: 'createAppkey', appname: 'test' })).appkey);
    const attempts = [
      [{ req: 'createOauthkey', login: 'demo', pwd: 'demo-password', appkey: 'wrong' }, '91', 'invalid appkey'],
      [{ req: 'createOauthkey', login: 'demo', pwd: 'wrong', appkey }, '0', 'invalid login/pwd'],
      [{ req: 'createSesskey', o_u: 'alex', u_c: 'alex', oauthkey: demo.oauthkey }, '164', 'invalid oauthkey or o_u'],
    ] as const;
    for (const [fields, code, text] of attempts) {
      sandbox.control.setSwitches({ nokShape: 'error' });
      const plain = await demo.send({ version, ...fields });
      expect(plain.error).toBe(code === '0' ? text : `apiProcess${code}: ${text}`);
      sandbox.control.setSwitches({ nokShape: 'errorCode' });
      const coded = await demo.send({ version, ...fields });
      expect(coded).toMatchObject({ status: 'nok', errorCode: code, errorMsg: text });
      expect(coded).not.toHaveProperty('error');
    }
  });

  it('die alone by control, and all but one by dropAllSessions with every oauthkey', async () => {
    const other = await logIn(sandbox);
    const alex = await logIn(sandbox, 'alex');
    sandbox.control.killSesskey({ key: other.me.sesskey });
    expect((await other.call('getUserInfo')).error).toBe('apiProcess189: invalid sesskey or o_u');
    const third = await logIn(sandbox);
    expect((await demo.call('dropAllSessions')).status).toBe('ok');
    expect((await demo.call('getUserInfo')).status).toBe('ok');
    expect((await third.call('getUserInfo')).status).toBe('nok');
    expect((await alex.call('getUserInfo')).status).toBe('ok');
    const fields = { version, req: 'createSesskey', o_u: 'demo', u_c: 'demo', oauthkey: third.oauthkey };
    expect((await demo.send(fields)).error).toBe('apiProcess164: invalid oauthkey or o_u');
  });

  it('of an SMS gateway send messages as anyone, and nothing else', async () => {
    const phone = '+33134455666';
    const gateway = await demo.send({
      version,
      req: 'registerSMSGateway',
      o_u: phone,
      appname: 'phone',
      b_o: 'demo',
      b_c: 'operations',
    });
    const me = { version, o_u: phone, u_c: '+4915112345', sesskey: String(gateway.sesskey) };
    expect((await demo.send({ ...me, req: 'sendMsg', msg: 'Gate open' })).status).toBe('ok');
    expect(sandbox.state.messages.at(-1)).toMatchObject({ u_c: '+4915112345', msg: 'Gate open', method: '_sms' });
    expect((await demo.send({ ...me, req: 'getUserInfo' })).status).toBe('nok');
    expect((await demo.send({ version, req: 'unregisterSMSGateway', o_u: phone, sesskey: me.sesskey })).status).toBe(
      'ok',
    );
    expect((await demo.send({ ...me, req: 'sendMsg', msg: 'again' })).status).toBe('nok');
  });

  it('do not open what belongs to another user', async () => {
    expect((await demo.call('getUserInfo', { u_c: 'alex' })).status).toBe('nok');
    expect((await demo.call('getUserInfo', { o_u: 'alex', u_c: 'alex' })).error).toContain('invalid sesskey');
  });
});

describe('strictness', () => {
  it('accepts keys in the URL, but the journal reports them', async () => {
    const query = new URLSearchParams({ ...demo.me, req: 'getUserInfo' });
    const response = await fetch(`${api()}?${query}`, { method: 'POST', body: new URLSearchParams() });
    expect(await response.json()).toMatchObject({ status: 'ok' });
    expect(demo.refusal()).toBe('keys in the URL: sesskey');
  });

  it('takes form fields only', async () => {
    const json = await fetch(api(), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...demo.me, req: 'getUserInfo' }),
    });
    expect(await json.json()).toMatchObject({ status: 'nok' });
    expect(demo.refusal()).toContain('form fields are expected');
    const parts = new FormData();
    for (const [name, value] of Object.entries({ ...demo.me, req: 'sendMsg', msg: 'x', qqfile: '' }))
      parts.set(name, value);
    parts.set('qqfile', new Blob(['x']), 'x.txt');
    expect(await (await fetch(api(), { method: 'POST', body: parts })).json()).toMatchObject({ status: 'nok' });
    expect(demo.refusal()).toBe('sendMsg takes no file');
    await fetch(api());
    expect(demo.refusal()).toBe('POST is expected');
  });

  it.each([
    ['an unknown request', { req: 'getEverything' }, 'unknown request getEverything'],
    ['a name from Object', { req: 'constructor' }, 'unknown request constructor'],
    ['both names of the request', { req: 'getUserInfo', r: 'getUserInfo' }, 'both req and r'],
    ['an unknown field', { req: 'getUserInfo', colour: 'red' }, 'unknown parameter colour'],
    ['a missing field', { req: 'getBookInfo', b_o: 'demo' }, 'missing parameter b_c'],
    ['a mistyped field', { req: 'getUserInfo', sstamp: 'soon' }, 'invalid sstamp: must be bigint'],
    [
      'a value outside its list',
      { req: 'updatePushId', deviceType: 'fax' },
      'invalid deviceType: must be one of gcm_rid',
    ],
    ['a table id that is a name', { req: 'getTableValues', catId: 'Jobs' }, 'invalid catId: must be id'],
    ['broken JSON', { req: 'createOrUpdateTableRows', rows: '{' }, 'invalid rows: must be json'],
    ['JSON of another kind', { req: 'createOrUpdateTableRows', rows: '[1]' }, 'invalid rows: must be a json object'],
    [
      'brackets instead of JSON',
      { req: 'createOrUpdateTableRow', rowId: 'tmp', 'fieldValues[1367490]': 'x' },
      'unknown parameter fieldValues[1367490]',
    ],
    ['a wrong version', { req: 'getUserInfo', version: 'latest' }, 'invalid version'],
    [
      'catId for a pivot',
      { req: 'getPivotValues', catId: '126190', viewId: '264458', filterRowIds: '{}' },
      'unknown parameter catId',
    ],
  ])('refuses %s', async (_what, fields, reason) => {
    expect((await demo.send({ ...demo.me, ...fields })).status).toBe('nok');
    expect(demo.refusal()).toContain(reason);
  });

  it('refuses a field that is sent twice, and a request without a version', async () => {
    const body = new URLSearchParams([...Object.entries({ ...demo.me, req: 'getUserInfo' }), ['o_u', 'alex']]);
    await fetch(api(), { method: 'POST', body });
    expect(demo.refusal()).toBe('parameter o_u was sent twice');
    const { version: _left, ...rest } = demo.me;
    await demo.send({ ...rest, req: 'getUserInfo' });
    expect(demo.refusal()).toBe('missing parameter version');
    sandbox.control.setSwitches({ versionRequired: false });
    expect((await demo.send({ ...rest, r: 'getUserInfo' })).status).toBe('ok');
  });
});

describe('misbehaviour', () => {
  it('stops at the monthly quota until the month is over', async () => {
    sandbox.control.setQuota({ limit: sandbox.state.quota.used + 1 });
    expect((await demo.call('getUserInfo')).status).toBe('ok');
    expect((await demo.call('getUserInfo')).error).toContain('quota exceeded');
    expect(demo.refusal()).toBeUndefined();
    sandbox.advance(32 * 86_400_000);
    expect((await demo.call('getUserInfo')).status).toBe('ok');
    expect(sandbox.state.quota.used).toBe(1);
  });

  it('fails requests by name, before or after the work is done', async () => {
    const row = { rowId: 'tmp1', catId: '126185' };
    const rows = () => Object.keys(sandbox.state.tables[0]?.rows ?? {}).length;
    sandbox.control.failRequest({ req: 'createOrUpdateTableRow', kind: 'reset', when: 'after' });
    expect((await demo.call('getUserInfo')).status).toBe('ok');
    await expect(demo.call('createOrUpdateTableRow', row)).rejects.toThrow();
    expect(rows()).toBe(4);
    sandbox.control.failRequest({ req: 'createOrUpdateTableRow', kind: 'html', times: 2 });
    for (let at = 0; at < 2; at++) await expect(demo.call('createOrUpdateTableRow', row)).rejects.toThrow(SyntaxError);
    expect(rows()).toBe(4);
    expect((await demo.call('createOrUpdateTableRow', row)).status).toBe('ok');
    sandbox.control.failRequest({ kind: 'nok', text: 'apiProcess3: come back later' });
    sandbox.reset();
    expect((await demo.call('getUserInfo')).status).toBe('ok');
  });

  it('answers HTTP 500 with a page when too much is read at once', async () => {
    sandbox.control.setSwitches({ maxCells: 400 });
    const fields = { ...demo.me, req: 'getTableValues', catId: '126189' };
    const response = await fetch(api(), { method: 'POST', body: new URLSearchParams(fields) });
    expect([response.status, response.headers.get('content-type')]).toEqual([500, 'text/html; charset=UTF-8']);
    expect((await demo.call('getTableValues', { catId: '126189', maxRows: '50' })).status).toBe('ok');
  });

  it('obeys every control over HTTP as well', async () => {
    const control = async (name: string, input: object) =>
      fetch(`${sandbox.url}/__sandbox/${name}`, { method: 'POST', body: JSON.stringify(input) });
    for (const name of Object.keys(sandbox.control))
      expect((await control(name, { socket: 1 })).status, name).not.toBe(404);
    const tables = await (await control('tables', {})).json();
    expect(at(tables, 'Jobs')).toMatchObject({
      code: 'jobs',
      fields: { Prio: '1367513' },
      views: { 'To dispatch': '264454' },
    });
    const added = await control('addRow', { table: 'Jobs', values: { Title: 'Over HTTP', Prio: 1 } });
    expect(sandbox.state.tables[2]?.rows[String(at(await added.json(), 'rowId'))]?.values['1367510']).toBe('Over HTTP');
    expect((await control('addRow', { table: 'Nothing', values: {} })).status).toBe(400);
    expect((await control('setSwitches', { noSuchSwitch: true })).status).toBe(400);
  });

  it('keeps its state, keys and bytes over a restart', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'timetonic-'));
    const stateFile = join(directory, 'state.json');
    const first = await startTimetonicSandbox({ stateFile, switches: { nokShape: 'errorCode' } });
    const before = await logIn(first);
    await before.call('sendMsg', { b_o: 'demo', b_c: 'operations', msg: 'kept' });
    await first.close();
    const second = await startTimetonicSandbox({ stateFile });
    const answer = await fetch(`${second.baseUrl}/api.php`, {
      method: 'POST',
      body: new URLSearchParams({ ...before.me, req: 'nothing' }),
    });
    expect(await answer.json()).toMatchObject({ errorMsg: 'unknown request nothing' });
    expect(second.state.messages.at(-1)?.msg).toBe('kept');
    const picture = await fetch(`${second.baseUrl}/dbi/in/full/34s96Bm9c8/`);
    expect((await picture.arrayBuffer()).byteLength).toBe(1949);
    await second.close();
    rmSync(directory, { recursive: true });
  });
});
