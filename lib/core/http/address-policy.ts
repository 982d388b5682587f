import { lookup as systemLookup } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { networkProblem } from '../networks.ts';

/** What an outgoing request may reach beyond public addresses over https. Metadata and link-local addresses are never open. */
export interface AddressPolicy {
  allowHttp?: boolean | undefined;
  /** Opens loopback, RFC 1918, RFC 6598 and unique-local addresses. */
  allowPrivateNetwork?: boolean | undefined;
}

/** How far away an address is: `private` opens with `allowPrivateNetwork`, `never` with nothing. */
export type AddressClass = 'public' | 'private' | 'never';

/** One answer of the name service. */
export interface ResolvedAddress {
  address: string;
  family: number;
}

/** Asks the name service for every address of a host; tests hand in their own. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** A name that resolved to an address which the policy refuses. */
export class RefusedAddress extends Error {
  override name = 'RefusedAddress';
  readonly code = 'ERR_REFUSED_ADDRESS';
}

const neverRanges = [
  ['0.0.0.0', 8],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 32],
  ['2001:2::', 48],
  ['2001:10::', 28],
  ['2001:20::', 28],
  ['2001:db8::', 32],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const;

const loopbackRanges = [
  ['127.0.0.0', 8],
  ['::1', 128],
] as const;

const privateRanges = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['::1', 128],
  ['fc00::', 7],
] as const;

/** Where an IPv6 address embeds an IPv4 address: the prefix as groups of 16 bits, and the group at which the inner one starts. */
const carriers = [
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 },
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 },
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 },
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 },
  { prefix: [0x2002], at: 1 },
] as const;

/** ISATAP: the last two groups are an IPv4 address behind one of these. */
const isatapMarks = ['0:5efe', '200:5efe'];

/** What this deployment opens beyond its connections' own settings. */
interface Deployment {
  /** Private networks, such as `10.1.0.0/16`, that every connection may reach, by address over plain http, too. */
  privateNetworks?: readonly string[];
  /** True where loopback belongs to the platform (a Lambda's runtime API) and opens with nothing. */
  closeLoopback?: boolean;
}

let openNetworks: BlockList | undefined;
let loopbackIsClosed = false;

/** Sets the networks that the deployment allows, for this process. Throws for a text that is not a network. */
export function setDeploymentAddresses({ privateNetworks = [], closeLoopback = false }: Deployment): void {
  loopbackIsClosed = closeLoopback;
  openNetworks = undefined;
  for (const text of privateNetworks) {
    const problem = networkProblem(text);
    if (problem !== undefined) throw new Error(`TRUNKLINE_PRIVATE_NETWORKS: ${JSON.stringify(text)} ${problem}.`);
    const [base = '', prefix] = text.split('/');
    const type = isIP(base) === 4 ? 'ipv4' : 'ipv6';
    openNetworks ??= new BlockList();
    openNetworks.addSubnet(base, Number(prefix ?? (type === 'ipv4' ? 32 : 128)), type);
  }
}

function isOpen(address: string): boolean {
  return openNetworks?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') ?? false;
}

let knownLists: Record<'never' | 'private' | 'loopback', BlockList> | undefined;

/** Made at the first address: a function that starts has no time for them. */
function blockLists() {
  knownLists ??= {
    never: blockList(neverRanges),
    private: blockList(privateRanges),
    loopback: blockList(loopbackRanges),
  };
  return knownLists;
}

const neverNames = new Set(['metadata', 'metadata.google.internal', 'metadata.goog', 'instance-data']);
const loopbackNames = new Set(['localhost', 'localhost.localdomain', 'ip6-localhost', 'ip6-loopback']);

/** Sorts a literal IPv4 or IPv6 address, an IPv4 address hidden in an IPv6 one by what is inside; anything else is `never`. */
export function classifyAddress(address: string): AddressClass {
  const bare = address.split('%', 1)[0] ?? '';
  const family = isIP(bare);
  if (family === 0) return 'never';
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const lists = blockLists();
  if (lists.never.check(bare, type)) return 'never';
  if (loopbackIsClosed && lists.loopback.check(bare, type)) return 'never';
  if (lists.private.check(bare, type)) return 'private';
  const inner = family === 6 ? innerIPv4(bare) : undefined;
  return inner === undefined ? 'public' : classifyAddress(inner);
}

/**
 * Checks what can be known without asking the name service: scheme, credentials, forbidden names and literal addresses. The
 * answer is a phrase that says what is wrong and what to do, or undefined when the URL is allowed.
 */
export function checkUrl(url: string | URL, policy: AddressPolicy): string | undefined {
  const parsed = typeof url === 'string' ? URL.parse(url) : url;
  if (parsed === null) return 'this is not a complete URL';
  const literal = bareHost(parsed.hostname);
  const isOpenHttp = parsed.protocol === 'http:' && (policy.allowHttp || (isIP(literal) !== 0 && isOpen(literal)));
  if (parsed.protocol !== 'https:' && !isOpenHttp) {
    return `only https is allowed${parsed.protocol === 'http:' ? '; set allowHttp to reach it over plain http' : ''}`;
  }
  if (parsed.username !== '' || parsed.password !== '') return 'a user name or password inside the URL is not allowed';
  const host = bareHost(parsed.hostname);
  if (isIP(host) !== 0) return addressProblem(host, host, policy);
  if (host === '' || neverNames.has(host)) return `the host name ${host || '(empty)'} is never allowed`;
  if ((loopbackNames.has(host) || host.endsWith('.localhost')) && (loopbackIsClosed || !policy.allowPrivateNetwork)) {
    return `${host} is this machine; set allowPrivateNetwork to reach it`;
  }
  return undefined;
}

/**
 * A `lookup` for sockets: it resolves a name once, refuses it with `RefusedAddress` if any of the answers is refused, and hands
 * on exactly the addresses that were checked, so that no second answer of the name service can be connected to. Without a
 * policy it only resolves.
 */
export function pinnedLookup(policy: AddressPolicy | undefined, resolve: Resolve = resolveBySystem): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (answers) => {
        for (const { address } of answers) {
          const problem = policy && addressProblem(hostname, address, policy);
          if (problem !== undefined) return callback(new RefusedAddress(problem), []);
        }
        const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : options.family;
        const usable = answers.filter((answer) => !family || answer.family === family);
        const first = usable[0];
        if (first === undefined) return callback(notFound(hostname), []);
        if (options.all) callback(null, [...usable]);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : notFound(hostname), []),
    );
  };
}

/** The operating system's answers for a name, in its own order. */
export async function resolveBySystem(hostname: string): Promise<ResolvedAddress[]> {
  return systemLookup(hostname, { all: true });
}

function addressProblem(host: string, address: string, policy: AddressPolicy): string | undefined {
  const found = classifyAddress(address);
  const isAllowed = found === 'private' && (policy.allowPrivateNetwork || isOpen(address));
  if (found === 'public' || isAllowed) return undefined;
  const subject = host === address ? address : `${host} (${address})`;
  return found === 'private'
    ? `${subject} is a private or loopback address; set allowPrivateNetwork to reach it`
    : `${subject} is a reserved, link-local or metadata address and never allowed`;
}

function bareHost(hostname: string): string {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return host.toLowerCase().replace(/\.+$/, '');
}

function innerIPv4(address: string): string | undefined {
  const groups = groupsOf(address);
  for (const { prefix, at } of carriers) {
    if (!prefix.every((group, index) => groups[index] === group)) continue;
    const [high = 0, low = 0] = groups.slice(at, at + 2);
    return dotted(high, low);
  }
  const [mark, marked, high = 0, low = 0] = groups.slice(4);
  const isIsatap = isatapMarks.includes(`${mark?.toString(16)}:${marked?.toString(16)}`);
  return isIsatap ? dotted(high, low) : undefined;
}

function dotted(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** The eight groups of an IPv6 address; the URL parser brings every spelling, dotted tails included, into one. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const left = parseGroups(head);
  if (tail === undefined) return left;
  const right = parseGroups(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function parseGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function blockList(ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, isIP(network) === 4 ? 'ipv4' : 'ipv6');
  return list;
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND', hostname });
}
