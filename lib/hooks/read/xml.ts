import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { GatewayError } from '../../core/errors.ts';

const textName = '#text';
const cdataName = '#cdata';
const attributes = ':@';
const attributePrefix = '@';
/** Elements inside each other, at most. */
const maxDepth = 50;

/** A child as the parser gives it: one property with the name of the element, and its attributes next to it. */
type Child = Record<string, unknown>;

/**
 * XML as plain data: an element with attributes or children is an object, any other its text; repeated elements are a list,
 * attributes start with `@`, text next to them is `#text`. A document type is ignored: only XML's predefined entities are known.
 * Throws `invalid_request`.
 */
export function readXml(text: string): Record<string, unknown> {
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw refusal(`${valid.err.msg} (line ${valid.err.line})`);
  return content(parse(text)).value as Record<string, unknown>;
}

function parse(text: string): Child[] {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: attributePrefix,
    cdataPropName: cdataName,
    textNodeName: textName,
    parseTagValue: false,
    parseAttributeValue: false,
    processEntities: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    maxNestedTags: maxDepth,
    // As texts the paths of deep elements would grow with the square of the document.
    jPath: false,
    // Harmless here: the result is built below, only from own properties.
    onDangerousProperty: (name: string) => name,
  });
  try {
    return parser.parse(text) as Child[];
  } catch (cause) {
    throw refusal(cause instanceof Error ? cause.message : 'unreadable', cause);
  }
}

function content(children: readonly Child[], attributeList: Record<string, unknown> = {}) {
  const members = new Map<string, unknown>();
  let text = '';
  for (const [name, value] of Object.entries(attributeList)) add(members, name, decode(String(value)));
  for (const child of children) {
    for (const [name, value] of Object.entries(child)) {
      if (name === attributes) continue;
      if (name === textName) text += decode(String(value));
      else if (name === cdataName) text += cdata(value);
      else add(members, name, elementOf(value, child[attributes]));
    }
  }
  const trimmed = text.trim();
  if (members.size === 0) return { value: trimmed };
  if (trimmed !== '') members.set(textName, trimmed);
  return { value: Object.fromEntries(members) };
}

function elementOf(value: unknown, attributeList: unknown): unknown {
  return content(value as Child[], (attributeList ?? {}) as Record<string, unknown>).value;
}

function cdata(value: unknown): string {
  return (value as Child[]).map((part) => String(part[textName] ?? '')).join('');
}

function add(members: Map<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') return;
  const before = members.get(name);
  if (before === undefined) members.set(name, value);
  else if (Array.isArray(before)) before.push(value);
  else members.set(name, [before, value]);
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([^;&\s]{1,40}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) {
      if (Object.hasOwn(named, name)) return named[name] ?? whole;
      throw refusal(`the entity &${name}; is not known; only those of XML itself are`);
    }
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || code === 0) throw refusal(`${whole} is no character`);
    return String.fromCodePoint(code);
  });
}

function refusal(reason: string, cause?: unknown): GatewayError {
  return new GatewayError('invalid_request', `The body is not valid XML: ${reason.slice(0, 150)}.`, { cause });
}
