import { isIP } from 'node:net';
import { Networks, plainAddress } from './networks.js';

/** What is not out in the internet (IANA special-purpose registries, RFC 6890 and its updates). */
const SPECIAL_IPV4 = new Networks([
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16',
  '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
]);
/** The one block of IPv6 that is handed out to the internet; NAT64, IPv4-compatible, unique local, link-local and multicast addresses lie outside. */
const GLOBAL_IPV6 = new Networks(['2000::/3']);
/** Of that block: Teredo and other protocol assignments, documentation, 6to4 (which carries an IPv4 address inside). */
const SPECIAL_IPV6 = new Networks(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** Where clouds hand out credentials to whoever asks from inside: opened only by naming the very address. */
const METADATA = new Networks(['169.254.169.254', '169.254.170.2', '169.254.170.23', '100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254']);

const isPublic = (address: string): boolean => (isIP(address) === 4 ? !SPECIAL_IPV4.includes(address) : GLOBAL_IPV6.includes(address) && !SPECIAL_IPV6.includes(address));

/** Addresses that an installation lets its connectors declare, unless configured otherwise: this machine and private networks. */
export const DEFAULT_PRIVATE_NETWORKS: readonly string[] = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];

/**
 * Whether a connection may go to an address: a public one always, another one only when both the connector and the
 * installation name it.
 */
export const admitsAddress = (text: string, declared: Networks, installation: Networks): boolean => {
  const address = plainAddress(text);
  if (address === undefined) return false;
  if (METADATA.includes(address)) return declared.names(address) && installation.names(address);
  return isPublic(address) || (declared.includes(address) && installation.includes(address));
};
