import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { admitsAddress } from './admit-address.js';
import { Networks, plainAddress } from './networks.js';

/** Where a host was found to be: all its addresses, each admitted; or that one of them is not; or nothing. */
export type Reach = { readonly kind: 'reached'; readonly addresses: readonly LookupAddress[] } | { readonly kind: 'refused' } | { readonly kind: 'unresolved' };

/** Every address of a name. @throws when there is none */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/** Decides which addresses the executor may connect to. A name is looked up once; what is connected to is what was judged. */
export class Egress {
  private readonly installation: Networks;

  /** @param installation non-public networks that connectors may declare at all */
  constructor(
    installation: readonly string[],
    private readonly resolve: Resolve,
  ) {
    this.installation = new Networks(installation);
  }

  /**
   * A name that gives one address outside is refused as a whole: it may not be chosen by luck.
   * @param host of a URL or a setting; IPv6 with or without brackets
   * @param declared non-public networks that the connector names
   */
  async reach(host: string, declared: readonly string[]): Promise<Reach> {
    const found = await this.addressesOf(host);
    if (found.length === 0) return { kind: 'unresolved' };
    const networks = new Networks(declared);
    return found.every(({ address }) => admitsAddress(address, networks, this.installation)) ? { kind: 'reached', addresses: found } : { kind: 'refused' };
  }

  /** Whether an address given as such would be refused; a name is judged when it is used. */
  refusesLiteral(host: string, declared: readonly string[]): boolean {
    const literal = plainAddress(host);
    return literal !== undefined && !admitsAddress(literal, new Networks(declared), this.installation);
  }

  private async addressesOf(host: string): Promise<readonly LookupAddress[]> {
    const literal = plainAddress(host);
    if (literal !== undefined) return [{ address: literal, family: isIP(literal) }];
    try {
      const found = await this.resolve(host);
      return found.map(({ address }) => ({ address: plainAddress(address) ?? address, family: isIP(plainAddress(address) ?? address) }));
    } catch {
      return [];
    }
  }
}
