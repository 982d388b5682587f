import { demoFiles } from './demo-files.ts';
import { type DemoTable, demoTables } from './demo-tables.ts';
import type { Cell, Field, Row, Table, TimetonicState, User, View } from './state.ts';

const startedAt = 1_767_571_200;
const firstStamp = 15_583_609_109_172n;
/** The greatest stamp that a signed 64-bit integer can hold. One contact and one cell have it. */
const greatest = '9223372036854775807';
const book = { b_o: 'demo', b_c: 'operations' };

/** The initial state of the stand-in TimeTonic: two users, the demo book with its tables, and a public notice board. */
export function demoState(): TimetonicState {
  const state: TimetonicState = {
    switches: {
      nokShape: 'error',
      versionRequired: true,
      pivotRequest: 'getPivotValues',
      sesskeyError: 'apiProcess189: invalid sesskey or o_u',
      quotaError: 'apiProcess77: monthly API quota exceeded',
      maxCells: 20_000,
      zeroRowInfosLength: false,
      tableStampsMove: true,
      valuesName: 'tableValues',
      incrementalMessages: 'page-and-updates',
      sendMsgAnswersId: true,
      tusCreation: { post: true, head: true },
      uploadLife: 86_400,
      socket: { mode: 'normal', attachTypes: [7], delay: 0, ackTableValue: true },
    },
    sstamp: String(firstStamp),
    next: {
      key: '4',
      table: '126185',
      field: '1367490',
      row: '19975055',
      view: '264448',
      filter: '10686',
      tab: '2115',
      comment: '884761',
      activity: '62979529',
      message: '346914',
      file: '18168',
      device: '12435',
    },
    quota: { limit: null, used: 0, month: '' },
    users: {
      demo: user('demo', 'Dana', 'Mora', ['alex']),
      alex: { ...user('alex', 'Alex', 'Berg', ['demo']), sstamp: greatest },
    },
    appkeys: {},
    oauthkeys: {},
    sesskeys: {},
    gateways: {},
    books: [],
    tables: [],
    messages: [],
    comments: [],
    files: [],
    uploads: {},
    urlTriggers: [],
  };
  addBook(state, book.b_o, book.b_c, 'Operations', false);
  addBook(state, 'alex', 'noticeboard', 'Notice board', true);
  const made = new Map<string, Table>();
  for (const demo of demoTables) made.set(demo.code, addTable(state, demo, made));
  addMessages(state);
  for (const each of state.books) each.sstamp = stamp(state);
  return state;
}

function user(u_c: string, firstName: string, lastName: string, contacts: string[]): User {
  return {
    u_c,
    firstName,
    lastName,
    contacts,
    password: `${u_c}-password`,
    mail: `${u_c}@example.com`,
    mobile: u_c === 'demo' ? '+33100000001' : '+33100000002',
    sstamp: String(firstStamp),
    projectID: '7845287998512',
    prefs: {},
    selectedViews: {},
    lastTabs: {},
    lastRead: {},
    devices: {},
  };
}

function addBook(state: TimetonicState, b_o: string, b_c: string, title: string, open: boolean): void {
  const members = ['demo', 'alex'].map((u_c) => ({
    u_c,
    invite: 'accepted' as const,
    right: u_c === b_o ? (3 as const) : (2 as const),
  }));
  const number = 6959 + state.books.length;
  state.books.push({
    sbid: String(number),
    b_o,
    b_c,
    title,
    public: open,
    members,
    params: {},
    sstamp: stamp(state),
    sfpid: String(number - 434),
    formLastModified: startedAt,
  });
}

function addTable(state: TimetonicState, demo: DemoTable, made: ReadonlyMap<string, Table>): Table {
  const fields = demo.fields.map((field, at): Field => {
    const { link, ...rest } = field;
    const linked = link === undefined ? undefined : made.get(link);
    return { ...rest, id: take(state, 'field'), order: at + 1, ...(linked && { linkTableId: linked.id }) };
  });
  const idOf = (name: string) => fields.find((field) => field.name === name)?.id ?? '';
  const table: Table = {
    id: take(state, 'table'),
    name: demo.name,
    code: demo.code,
    order: state.tables.length,
    ...(demo.book ?? book),
    tabId: take(state, 'tab'),
    fields,
    views: [],
    rows: {},
    lastOrder: 0,
    lastModified: startedAt,
    ...(demo.sysFunc && { sysFunc: demo.sysFunc }),
  };
  for (const view of demo.views) table.views.push(makeView(state, view, idOf));
  if (demo.pivot) {
    const source = made.get(demo.pivot.table);
    const at = (name: string) => source?.fields.find((field) => field.name === name)?.id ?? '';
    table.pivot = { tableId: source?.id ?? '', hz: at(demo.pivot.hz), vt: at(demo.pivot.vt) };
  }
  for (const values of demo.rows) addRow(state, table, values, idOf, made);
  state.tables.push(table);
  return table;
}

function makeView(state: TimetonicState, view: DemoTable['views'][number], idOf: (name: string) => string): View {
  const id = take(state, 'view');
  if (!view.filters) return { id, name: view.name, filterGroup: null };
  const filters = view.filters.map(([field, predicate, operand]) => ({
    id: take(state, 'filter'),
    field_id: idOf(field),
    filter_type: predicate === 'asc' || predicate === 'desc' ? 'groupby' : 'text',
    json: { predicate, operand },
  }));
  return { id, name: view.name, filterGroup: { id: take(state, 'filter'), operator: view.operator ?? 'and', filters } };
}

function addRow(
  state: TimetonicState,
  table: Table,
  named: Record<string, string>,
  idOf: (name: string) => string,
  made: ReadonlyMap<string, Table>,
): void {
  const values: Record<string, Cell> = {};
  for (const [name, value] of Object.entries(named)) {
    const field = table.fields.find((candidate) => candidate.id === idOf(name));
    if (!field) throw new TypeError(`demo table ${table.name} has no field ${name}`);
    values[field.id] = field.type === 'link' ? linkTo(value, field, made) : value;
  }
  table.lastOrder += 1;
  const times = { created: startedAt, lastModified: startedAt, sstamp: stamp(state) };
  const row: Row = { id: take(state, 'row'), order: table.lastOrder, values, ...times, changes: 0 };
  table.rows[row.id] = row;
}

function linkTo(value: string, field: Field, made: ReadonlyMap<string, Table>): Cell {
  const target = [...made.values()].find(({ id }) => id === field.linkTableId);
  const title = target?.fields[0]?.id ?? '';
  const row = Object.values(target?.rows ?? {}).find((candidate) => candidate.values[title] === value);
  return row ? [{ row_id: row.id, value }] : [];
}

function addMessages(state: TimetonicState): void {
  const texts = [
    ['alex', 'Welcome to the operations book'],
    ['demo', 'Night shift starts at 22:00'],
    ['alex', 'Site plan and briefing attached'],
  ] as const;
  for (const [at, [u_c, msg]] of texts.entries()) {
    const smid = take(state, 'message');
    const files = at === 2 ? demoFiles : [];
    const count = (type: string) => files.filter((file) => file.stored.type === type).length;
    state.messages.push({
      smid,
      ...book,
      u_c,
      uuid: `demo-message-${at + 1}`,
      msg,
      body: '',
      method: '_web',
      del: false,
      created: startedAt + at * 60,
      lastModified: startedAt + at * 60,
      sstamp: stamp(state),
      nbMedias: count('media'),
      nbDocs: count('doc'),
    });
    for (const { stored } of files)
      state.files.push({ ...stored, id: take(state, 'file'), smid, ...book, u_c, created: startedAt });
  }
}

function take(state: TimetonicState, kind: keyof TimetonicState['next']): string {
  const id = state.next[kind];
  state.next[kind] = String(BigInt(id) + 1n);
  return id;
}

function stamp(state: TimetonicState): string {
  const given = state.sstamp;
  state.sstamp = String(BigInt(given) + 1n);
  return given;
}
