import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { list, name, object, oneOf, optional, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { derivedId } from '@exequatur/kernel';
import { openBytes, sealBytes } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE, problem, shaped, type Queryable } from '@exequatur/service-kit';
import { ApprovalsConfig } from '../approvals-config.js';
import { TOLD, type Happening } from '../tell-channels/channel.js';
import { mayBeReached } from './send-webhook.js';

const endpoint = object({
  /** stands in rows and logs in the place of the address */
  name: name(),
  tenant: name(),
  url: text(2_000),
  /** `whsec_` and 24 to 64 bytes in base64 */
  secret: { json: { type: 'string', pattern: '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$' } } as { json: Record<string, unknown>; type?: string },
  events: optional(list(oneOf(...TOLD), TOLD.length)),
  /** true: may lie in a private or loopback range, and be spoken to without TLS */
  private_network: optional(truth()),
});
const endpoints = list(endpoint, 100);
export type WebhookEndpoint = Shape<typeof endpoint>;

/** What an admin keeps over the API. */
export interface NewEndpoint {
  readonly tenant: string;
  readonly name: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly by: string;
}

export interface KeptEndpoint {
  readonly name: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly kept: 'configuration' | 'api';
  readonly configured_by: string;
}

const KEEP = `INSERT INTO webhook_endpoint (tenant, name, url, secret, events, configured_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, name) DO UPDATE SET url = excluded.url, secret = excluded.secret, events = excluded.events, configured_by = excluded.configured_by, configured_at = clock_timestamp()`;
const SECRET_BYTES = 32;
const MOST_KEPT = 100;

export const endpointId = (tenant: string, endpointName: string): string => derivedId('webhook', tenant, endpointName);
/** What the ciphertext is bound to: it opens for this endpoint only. */
const secretPlace = (tenant: string, id: string): string => `webhook-secret/${tenant}/${id}`;

/** Endpoints that the operator configured, and those that a tenant's admins keep over the API; a secret is at rest only encrypted. */
@Injectable()
export class WebhookEndpoints {
  private readonly all: readonly WebhookEndpoint[];
  private readonly inside: boolean;

  /** @throws Error naming the field, never its value */
  constructor(
    config: ApprovalsConfig,
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {
    this.all = config.EXEQUATUR_WEBHOOKS === undefined ? [] : parsed(config.EXEQUATUR_WEBHOOKS);
    this.inside = config.EXEQUATUR_WEBHOOKS_INSIDE === 'true';
  }

  /** Whom an event of a tenant is told to by configuration. */
  configured(tenant: string, happening: Happening): readonly WebhookEndpoint[] {
    return this.all.filter((each) => each.tenant === tenant && (each.events ?? TOLD).some((event) => event === happening));
  }

  /** For one delivery, in memory only. @throws CannotOpen */
  async named(tenant: string, endpointName: string): Promise<Pick<WebhookEndpoint, 'url' | 'secret' | 'private_network'> | undefined> {
    const fixed = this.all.find((each) => each.tenant === tenant && each.name === endpointName);
    if (fixed !== undefined) return fixed;
    const { rows } = await this.database.query<{ url: string; secret: Buffer }>('SELECT url, secret FROM webhook_endpoint WHERE tenant = $1 AND name = $2', [tenant, endpointName]);
    const id = endpointId(tenant, endpointName);
    const key = rows[0] === undefined ? undefined : await this.keys.actionKey(tenant, id);
    if (rows[0] === undefined || key === undefined) return undefined;
    return { url: rows[0].url, secret: openBytes(key, secretPlace(tenant, id), rows[0].secret).toString('utf8'), private_network: this.inside };
  }

  /** Sets or replaces it, with a new secret, which is given out here and never again. @throws Problem INVALID, CONFLICT */
  async keep(tx: PgTransaction, { tenant, name: endpointName, url, events, by }: NewEndpoint): Promise<string> {
    this.check(url);
    if (this.all.some((each) => each.tenant === tenant && each.name === endpointName)) problem('CONFLICT', 'the operator configured an endpoint of this name');
    const { rows } = await tx.query<{ n: number }>('SELECT count(*)::int AS n FROM webhook_endpoint WHERE tenant = $1 AND name <> $2', [tenant, endpointName]);
    if ((rows[0]?.n ?? 0) >= MOST_KEPT) problem('CONFLICT', `a tenant keeps at most ${MOST_KEPT} endpoints`);
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
    const id = endpointId(tenant, endpointName);
    const sealed = sealBytes(await this.keys.createActionKey(tenant, id, tx), secretPlace(tenant, id), Buffer.from(secret, 'utf8'));
    // As the parser writes it: no character of the input that a database would refuse.
    await tx.query(KEEP, [tenant, endpointName, new URL(url).href, sealed, events, by]);
    return secret;
  }

  /** @throws Problem NOT_FOUND */
  async remove(tx: PgTransaction, tenant: string, endpointName: string): Promise<void> {
    const { rows } = await tx.query('DELETE FROM webhook_endpoint WHERE tenant = $1 AND name = $2 RETURNING name', [tenant, endpointName]);
    if (rows.length === 0) problem('NOT_FOUND');
  }

  /** @throws Problem NOT_FOUND */
  async mustExist(db: Queryable, tenant: string, endpointName: string): Promise<void> {
    if (this.all.some((each) => each.tenant === tenant && each.name === endpointName)) return;
    const { rows } = await db.query('SELECT FROM webhook_endpoint WHERE tenant = $1 AND name = $2', [tenant, endpointName]);
    if (rows.length === 0) problem('NOT_FOUND');
  }

  /** Without secrets. */
  async list(tenant: string): Promise<readonly KeptEndpoint[]> {
    const { rows } = await this.database.query<Omit<KeptEndpoint, 'kept'>>('SELECT name, url, events, configured_by FROM webhook_endpoint WHERE tenant = $1 ORDER BY name', [tenant]);
    const fixed = this.all.filter((each) => each.tenant === tenant).map((each) => ({ name: each.name, url: each.url, events: each.events ?? TOLD, kept: 'configuration' as const, configured_by: 'operator' }));
    return [...fixed, ...rows.map((row) => ({ ...row, kept: 'api' as const }))];
  }

  /** A name is judged whenever it is used; an address can be judged now, while somebody is there to read why. */
  private check(url: string): void {
    const refused = (expected: string): never => problem('INVALID', undefined, [{ pointer: '/url', expected }]);
    if (!isEndpointUrl(url, this.inside)) refused('an https URL without credentials');
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !mayBeReached(host, this.inside)) refused('an address of the public internet');
  }
}

const isEndpointUrl = (url: string, plainToo: boolean): boolean => {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password } = new URL(url);
  return (protocol === 'https:' || (protocol === 'http:' && plainToo)) && username === '' && password === '';
};

const parsed = (source: string): readonly WebhookEndpoint[] => {
  let found: readonly WebhookEndpoint[];
  try {
    found = shaped(endpoints, JSON.parse(source));
  } catch {
    throw new Error('EXEQUATUR_WEBHOOKS must be a JSON list of {name, tenant, url, secret, events?, private_network?}');
  }
  for (const { name: known, url, private_network } of found) if (!isEndpointUrl(url, private_network === true)) throw new Error(`EXEQUATUR_WEBHOOKS: the url of ${known} must be https, without credentials`);
  if (new Set(found.map((each) => `${each.tenant}/${each.name}`)).size !== found.length) throw new Error('EXEQUATUR_WEBHOOKS: each name once a tenant');
  return found;
};
