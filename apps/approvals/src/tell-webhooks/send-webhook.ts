import { lookup as resolve } from 'node:dns/promises';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { BlockList, isIP } from 'node:net';
import { APPROVAL_LIMITS } from '../limits.js';
import type { Sent } from '../tell-channels/channel.js';
import type { WebhookEndpoint } from './webhook-endpoints.js';

const blocked = (...ranges: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const range of ranges) {
    const [net = '', prefix = ''] = range.split('/');
    list.addSubnet(net, Number(prefix), isIP(net) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
};
/** IANA special-purpose registries: nothing of the public internet. A BlockList also sees through IPv4-mapped IPv6. */
const SPECIAL = blocked(
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3',
  '::/127', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32', '2002::/16', 'fc00::/7', 'fe80::/10', 'ff00::/8',
);
/** Where clouds hand out credentials: nobody's webhook. */
const METADATA = blocked('169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::254/128', 'fd20:ce::254/128');

export const mayBeReached = (address: string, privateToo: boolean): boolean => {
  const family = isIP(address);
  if (family === 0) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  return !METADATA.check(address, type) && (privateToo || !SPECIAL.check(address, type));
};

/**
 * Posts once. The name is resolved here, every address it has must be one that may be reached, and the socket goes to the
 * first of them, so that a second answer of the name server changes nothing. Redirects are not followed.
 */
export const sendWebhook = async ({ url, private_network }: Pick<WebhookEndpoint, 'url' | 'private_network'>, headers: Readonly<Record<string, string>>, body: string): Promise<Sent> => {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) === 0 ? (await resolve(host, { all: true }).catch(() => [])).map(({ address }) => address) : [host];
  const [address] = addresses;
  if (address === undefined) return { ok: false, why: 'the name has no address' };
  if (!addresses.every((each) => mayBeReached(each, private_network === true))) return { ok: false, why: 'it leads to an address that is not for webhooks' };
  const family = isIP(address);
  const request = target.protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((settle) => {
    const outgoing = request(
      target,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'user-agent': 'exequatur', ...headers },
        agent: false,
        signal: AbortSignal.timeout(APPROVAL_LIMITS.noticeMs),
        lookup: (_host, options, done) => (options.all === true ? done(null, [{ address, family }]) : done(null, address, family)),
      },
      (answer) => {
        // What it says is not read: its status is the answer.
        answer.destroy();
        const status = answer.statusCode ?? 0;
        settle(status >= 200 && status < 300 ? { ok: true } : { ok: false, why: `it answered ${status}` });
      },
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) => settle({ ok: false, why: error.code ?? error.name }));
    outgoing.end(body);
  });
};
