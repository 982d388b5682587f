import { BlockList, isIP } from 'node:net';

/** Why a text is neither an address nor a network (`203.0.113.0/24`, `2001:db8::/32`); undefined when it is one. */
export function networkProblem(text: string): string | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return 'must be an IP address or a network such as 203.0.113.0/24';
  if (length === undefined) return undefined;
  const most = family === 4 ? 32 : 128;
  return /^\d{1,3}$/.test(length) && Number(length) <= most ? undefined : `must have a prefix of 0 to ${most} bits`;
}

/** Whether an address is in one of the networks. An IPv4 address may be given as an IPv4-mapped IPv6 address. */
export function isWithin(networks: readonly string[], address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  if (family === 0) return false;
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', length] = network.split('/');
    const type = isIP(base) === 6 ? 'ipv6' : 'ipv4';
    if (length === undefined) list.addAddress(base, type);
    else list.addSubnet(base, Number(length), type);
  }
  return list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}
