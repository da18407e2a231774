/** The address that a request comes from, as Envoy tells it; never out of a header. */
import { isIP } from 'node:net';
import type { Networks } from '../policy/compiled/caller.ts';

/** An IPv4 address is one, however it was written: `::ffff:10.0.0.1` is 10.0.0.1. */
export interface SourceAddress {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
}

/** @param text `10.0.0.1:4711` or `[2001:db8::1]:4711` @returns undefined for what is no IP address, such as a Unix socket */
export function parseSource(text: string | undefined): SourceAddress | undefined {
  if (text === undefined) return undefined;
  const address = text.startsWith('[')
    ? text.slice(1, Math.max(1, text.indexOf(']')))
    : text.slice(0, text.includes(':') ? text.lastIndexOf(':') : undefined);
  const version = isIP(address);
  if (version === 4) return { address, family: 'ipv4' };
  if (version === 0) return undefined;
  const groups = expanded(address);
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!mapped) return { address, family: 'ipv6' };
  const [high = 0, low = 0] = groups.slice(6);
  return { address: [high >> 8, high & 255, low >> 8, low & 255].join('.'), family: 'ipv4' };
}

/** What one party holds: an IPv4 address, or a /64 of IPv6, whose addresses cost nothing. */
export function partyOf(source: SourceAddress | undefined): string {
  if (source === undefined) return 'unknown';
  if (source.family === 'ipv4') return source.address;
  return `${expanded(source.address)
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

/** An address that is not known lies in no network. */
export function liesWithin(networks: Networks, source: SourceAddress | undefined): boolean {
  if (networks === 'all') return true;
  return source !== undefined && networks.check(source.address, source.family);
}

/** The eight groups of an IPv6 address. */
function expanded(address: string): number[] {
  const [plain = ''] = address.split('%', 1);
  const [head = '', tail] = plain.split('::');
  const front = groupsOf(head);
  if (tail === undefined) return front;
  const back = groupsOf(tail);
  return [...front, ...Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => 0), ...back];
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
