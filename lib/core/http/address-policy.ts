import { lookup as systemLookup } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { networkProblem } from '../networks.ts';

/** What an outgoing request may reach beyond public addresses over https. Metadata and link-local addresses are never open. */
export interface AddressPolicy {
  allowHttp?: boolean | undefined;
  /** Opens loopback, RFC 1918, RFC 6598 and unique-local addresses. */
  allowPrivateNetwork?: boolean | undefined;
}

/** The class of an address: `private` is allowed with `allowPrivateNetwork`, `never` is always refused. */
export type AddressClass = 'public' | 'private' | 'never';

/** One address that DNS returned. */
export interface ResolvedAddress {
  address: string;
  family: number;
}

/** Resolves every address of a host. Tests pass their own. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** A name that resolved to an address that the policy refuses. */
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
  /** Private networks, such as `10.1.0.0/16`, that every connection may reach. URLs that name an address in them may use plain http. */
  privateNetworks?: readonly string[];
  /** True where loopback belongs to the platform (a Lambda's runtime API) and is always refused. */
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

/** Built when the first address is checked, to keep cold starts short. */
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

/** Classifies a literal address. An IPv4 address embedded in an IPv6 one decides for both; anything that is not an address is `never`. */
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
 * Checks everything that needs no DNS: scheme, credentials, forbidden names and literal addresses. Returns what is wrong and what
 * to do about it, or undefined if the URL is allowed.
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
 * A `lookup` for sockets. It resolves a name once, fails with `RefusedAddress` if any of its addresses is refused, and returns
 * exactly the addresses that were checked, so that a second DNS answer cannot redirect the connection. Without a policy it only
 * resolves.
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

/** The operating system's addresses for a name, in its own order. */
export const resolveBySystem: Resolve = sharedLookups((hostname) => systemLookup(hostname, { all: true }));

/**
 * Lets all who ask for a name share the lookup that is under way. The system carries out only a few lookups at a time, and one whose
 * servers do not answer takes ten seconds: many requests to one such name would delay the connections to every other.
 */
export function sharedLookups(resolve: Resolve): Resolve {
  const underWay = new Map<string, ReturnType<Resolve>>();
  return (hostname) => {
    const known = underWay.get(hostname);
    if (known) return known;
    const started = resolve(hostname).finally(() => underWay.delete(hostname));
    underWay.set(hostname, started);
    return started;
  };
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

/** The eight groups of an IPv6 address. The URL parser normalises every spelling, including dotted tails. */
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
