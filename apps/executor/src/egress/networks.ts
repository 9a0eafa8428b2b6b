import { BlockList, isIP } from 'node:net';

/** An address, or a range of addresses in CIDR form (RFC 4632, RFC 4291). */
export interface Network {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefix: number;
}

const BITS = { ipv4: 32, ipv6: 128 } as const;

/** The plain form of an address: no brackets or zone, IPv6 compressed, an IPv4-mapped one as the IPv4 it stands for. Undefined: no address. */
export const plainAddress = (text: string): string | undefined => {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  const kind = isIP(bare);
  if (kind === 4) return bare;
  if (kind !== 6) return undefined;
  const compressed = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (mapped === null) return compressed;
  const [high, low] = [Number.parseInt(mapped[1] ?? '0', 16), Number.parseInt(mapped[2] ?? '0', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
};

/** Undefined when the text is neither an address nor a range. */
export const parseNetwork = (text: string): Network | undefined => {
  const [written = '', prefixText, ...more] = text.split('/');
  const address = plainAddress(written);
  if (address === undefined || more.length > 0) return undefined;
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  if (prefixText === undefined) return { address, family, prefix: BITS[family] };
  if (!/^\d{1,3}$/.test(prefixText)) return undefined;
  // A range of mapped addresses is one of IPv4.
  const prefix = Number(prefixText) - (isIP(written) === 6 && family === 'ipv4' ? 96 : 0);
  return prefix >= 0 && prefix <= BITS[family] ? { address, family, prefix } : undefined;
};

/** A set of addresses. */
export class Networks {
  private readonly ranges = new BlockList();
  private readonly singles = new Set<string>();

  /** @throws RangeError for a text that is no network */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const network = parseNetwork(text);
      if (network === undefined) throw new RangeError(`neither an address nor a range in CIDR form: ${text}`);
      this.ranges.addSubnet(network.address, network.prefix, network.family);
      if (network.prefix === BITS[network.family]) this.singles.add(network.address);
    }
  }

  /** @param address in plain form */
  includes(address: string): boolean {
    return this.ranges.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }

  /** True when this very address was named, not a range around it. */
  names(address: string): boolean {
    return this.singles.has(address);
  }
}
