/** The stand-in TimeTonic as it is kept between starts: plain JSON. Ids and stamps are decimal strings, times epoch seconds. */
export interface TimetonicState {
  switches: Switches;
  /** The last server stamp given out. */
  sstamp: string;
  /** The id that each kind gets next. */
  next: Record<IdKind, string>;
  quota: { limit: number | null; used: number; month: string };
  users: Record<string, User>;
  appkeys: Record<string, { id: string; appname: string }>;
  oauthkeys: Record<string, { id: string; user: string }>;
  sesskeys: Record<string, { user: string } | { gateway: string }>;
  /** SMS gateways by telephone number. */
  gateways: Record<string, { sesskey: string; appname: string; b_o?: string; b_c?: string }>;
  books: Book[];
  tables: Table[];
  messages: Message[];
  comments: Comment[];
  files: StoredFile[];
  uploads: Record<string, Upload>;
  /** The calls that writes with `bypassUrlTrigger=false` would have triggered outside. */
  urlTriggers: { at: number; tableId: string; rowId: string }[];
}

/** The kinds of objects that have ids. */
export type IdKind =
  | 'key'
  | 'table'
  | 'field'
  | 'row'
  | 'view'
  | 'filter'
  | 'tab'
  | 'comment'
  | 'activity'
  | 'message'
  | 'file'
  | 'device';

/** How the vendor behaves where its document is silent, contradicts itself, or changed over the years. */
export interface Switches {
  /** Which of the two forms of refusal it answers. */
  nokShape: 'error' | 'errorCode';
  /** Whether a request without `version` is refused. */
  versionRequired: boolean;
  /** The request name of the pivot values, which the document lost. */
  pivotRequest: string;
  /** The message for an expired session key; the document shows no example. */
  sesskeyError: string;
  quotaError: string;
  /** Rows times fields above which a read ends in HTTP 500. */
  maxCells: number;
  /** Whether `rowInfosLength` is 0 whatever was returned, as one of the vendor's own fixtures has it. */
  zeroRowInfosLength: boolean;
  /** Whether a change of values moves the table's own stamp, or the book's alone. */
  tableStampsMove: boolean;
  /** Under which name a read of values answers them: as the server does, or as the document says. */
  valuesName: 'tableValues' | 'values';
  /** What a read with `sstamp` and no message ids answers: the page as well, as the document reads, or the updates only. */
  incrementalMessages: 'page-and-updates' | 'updates';
  /** Whether `sendMsg` answers with `createMessageId`, `smid` and `uuid`, or with the stamp alone. */
  sendMsgAnswersId: boolean;
  tusCreation: { post: boolean; head: boolean };
  /** Seconds an unfinished upload is kept. */
  uploadLife: number;
  socket: SocketSwitches;
}

/** How the socket behaves. */
export interface SocketSwitches {
  mode: 'normal' | 'refuse' | 'silent' | 'close-on-attach' | 'garbage';
  /** The message types it takes as attach; others are ignored without a word. */
  attachTypes: number[];
  /** Milliseconds before each answer. */
  delay: number;
  /** Whether a table value update (type 13) is acknowledged; the document shows no answer to it. */
  ackTableValue: boolean;
}

/** A user; `u_c` is the name used everywhere, mail and mobile also log in. */
export interface User {
  u_c: string;
  password: string;
  firstName: string;
  lastName: string;
  mail: string;
  mobile: string;
  sstamp: string;
  projectID: string;
  contacts: string[];
  prefs: Record<string, string>;
  /** The view last selected in a table, by table id. */
  selectedViews: Record<string, string>;
  /** The tab last seen in a book, by `owner/code`. */
  lastTabs: Record<string, string>;
  /** The last message read in a book, by `owner/code`. */
  lastRead: Record<string, string>;
  devices: Record<string, Record<string, string>>;
}

/** A book; owner and code together name it. Right 1 reads, 2 writes, 3 owns. */
export interface Book {
  sbid: string;
  b_o: string;
  b_c: string;
  title: string;
  public: boolean;
  members: { u_c: string; invite: 'accepted' | 'sent'; right: 1 | 2 | 3 }[];
  sstamp: string;
  /** Id of the form that holds the book's tables, and when anything in them last changed. */
  sfpid: string;
  formLastModified: number;
  params: Record<string, string>;
}

/** `comments` and `activity` are kept by the vendor and take no values. */
type FieldType = 'text' | 'number' | 'date' | 'link' | 'file' | 'comments' | 'activity';

/** A column; `code` and `fixed_code` are its sync codes. */
export interface Field {
  id: string;
  name: string;
  code: string | null;
  fixed_code: string;
  type: FieldType;
  order: number;
  enumColors?: { value: string; color: string }[];
  linkTableId?: string;
}

/** One condition or order of a view. */
export interface Filter {
  id: string;
  field_id: string;
  filter_type: string;
  json: { predicate: string; operand: string };
}

/** A saved view; without a group it shows every row. */
export interface View {
  id: string;
  name: string;
  filterGroup: { id: string; operator: 'and' | 'or'; filters: Filter[] } | null;
}

/** A table, which the vendor's requests call a category. */
export interface Table {
  id: string;
  b_o: string;
  b_c: string;
  name: string;
  code: string;
  order: number;
  tabId: string;
  fields: Field[];
  views: View[];
  rows: Record<string, Row>;
  /** The order of the row added last. */
  lastOrder: number;
  lastModified: number;
  /** Set on a pivot table, which has no rows of its own. */
  pivot?: { tableId: string; hz: string; vt: string };
  /** Set on a table that the vendor keeps by itself; it takes no writes. */
  sysFunc?: string;
}

/** One row that a link cell points to, with the text it had then. */
export interface LinkValue {
  row_id: string;
  value: string;
}

/** Numbers are kept as decimal text, so that none is rounded. An empty cell is absent. */
export type Cell = string | LinkValue[];

/** A row; `values` go by field id. */
export interface Row {
  id: string;
  order: number;
  values: Record<string, Cell>;
  created: number;
  lastModified: number;
  sstamp: string;
  changes: number;
  last?: Activity;
}

/** The last change of a row, as its activity field shows it. */
interface Activity {
  id: string;
  u_c: string;
  text: string;
  action: Record<string, string>;
  created: number;
  sstamp: string;
}

/** A comment at one cell. */
export interface Comment {
  id: string;
  rowId: string;
  fieldId: string;
  u_c: string;
  text: string;
  created: number;
  sstamp: string;
}

/** A message of a book; deleted ones are kept for the incremental reads. */
export interface Message {
  smid: string;
  b_o: string;
  b_c: string;
  u_c: string;
  uuid: string;
  msg: string;
  body: string;
  method: '_web' | '_api' | '_socket' | '_sms';
  created: number;
  lastModified: number;
  sstamp: string;
  del: boolean;
  nbMedias: number;
  nbDocs: number;
  event?: Record<string, unknown>;
}

/** A file, without its bytes. */
export interface StoredFile {
  id: string;
  uuid: string;
  internName: string;
  originName: string;
  ext: string;
  contentType: string;
  type: 'media' | 'doc';
  size: number;
  sha256: string;
  u_c: string;
  b_o: string;
  b_c: string;
  smid?: string;
  rowId?: string;
  fieldId?: string;
  /** Its place among the files of its kind at one message or cell. */
  mdc: number;
  created: number;
  /** Set when the bytes are made from this seed instead of kept. */
  seed?: number;
}

/** A resumable upload; times are epoch milliseconds here, as in the clock. */
export interface Upload {
  id: string;
  length: number;
  offset: number;
  metadata: Record<string, string>;
  expiresAt: number;
  /** Set once the file is complete. */
  fileId?: string;
}
