import { importSigningKey, signKeyRotation, type PrivateJwk, type SigningKey } from '@exequatur/audit-chain';
import { SigningKeyRotated, streamKey, type DataOf, type StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Clock } from '@exequatur/kernel';
import { ConfigError } from '../config/load-config.js';
import type { Database, Queryable } from '../database/database.js';
import type { Signer } from '../identity/signer.js';
import { NO_TENANT } from './quarantine-recorder.js';

/** Tenants with events, one index probe each. */
const TENANTS = `
WITH RECURSIVE known AS (
  SELECT min(tenant) AS tenant FROM event
  UNION ALL SELECT (SELECT min(tenant) FROM event WHERE event.tenant > known.tenant) FROM known WHERE known.tenant IS NOT NULL)
SELECT tenant FROM known WHERE tenant IS NOT NULL`;

/** The key that signs the next event, by the newest one: all tenants' rotations are one transaction. */
const keyInForce = async (db: Queryable): Promise<string | undefined> => {
  const { rows } = await db.query<{ key_id: string; type: string; bytes: Buffer }>('SELECT key_id, type, bytes FROM event ORDER BY xid DESC, position DESC LIMIT 1');
  const newest = rows[0];
  if (newest?.type !== SigningKeyRotated.type) return newest?.key_id;
  return (JSON.parse(newest.bytes.toString('utf8')) as { readonly data: DataOf<typeof SigningKeyRotated> }).data.new_key_id;
};

const rotationStream = (tenant: string, { service }: Signer): StreamId => ({ tenant, aggregate: SigningKeyRotated.aggregate, id: service });

const previousKey = (signer: Signer, jwk: string): SigningKey => {
  try {
    const key = importSigningKey(JSON.parse(jwk) as PrivateJwk);
    if (signer.trustedKeys[signer.service]?.some(({ kid }) => kid === key.kid) === true) return key;
  } catch {
    throw new ConfigError(['EXEQUATUR_PREVIOUS_SIGNING_KEY must be a private Ed25519 JWK']);
  }
  throw new ConfigError(['EXEQUATUR_PREVIOUS_SIGNING_KEY is not among EXEQUATUR_TRUSTED_KEYS: what it signed would be believed no more']);
};

/**
 * Before a service signs anything with another key than before, it says so in each tenant's log: SigningKeyRotated, the last
 * event of the old key. Several instances may start at once; the old key's must have stopped. Again: nothing.
 * @throws ConfigError when the log was signed by a key that is neither this one nor the previous one
 */
export const rotateSigningKey = async ({ database, signer, clock, previous }: { readonly database: Database; readonly signer: Signer; readonly clock: Clock; readonly previous: string | undefined }): Promise<void> => {
  const last = await keyInForce(database);
  if (last === undefined || last === signer.keyId) return;
  const from = previous === undefined ? undefined : previousKey(signer, previous);
  if (from === undefined || from.kid !== last) throw new ConfigError([`the events of ${signer.service} are signed by key ${last}: give it as EXEQUATUR_PREVIOUS_SIGNING_KEY to rotate it`]);
  const to = signer.signingKey;
  const store = new PgEventStore({ pool: database.pool, service: signer.service, signingKey: from, clock });
  const { rows } = await database.query<{ tenant: string }>(TENANTS);
  const streams = rows.map(({ tenant }) => rotationStream(tenant, signer));
  await store.transact({ streams: [rotationStream(NO_TENANT, signer), ...streams.filter(({ tenant }) => tenant !== NO_TENANT)] }, async (tx) => {
    // Another instance may have rotated, and signed since.
    if ((await keyInForce(tx)) === signer.keyId) return;
    const versions = await store.versions(tx, streams);
    const writes = streams.map((stream) => {
      const data = signKeyRotation({ tenant: stream.tenant, service: signer.service, from, to });
      return { stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: [{ definition: SigningKeyRotated, data, actor: { type: 'service' as const, id: signer.service } }] };
    });
    await store.append(tx, writes);
  });
};
