import type { Queryable } from '@exequatur/service-kit';

/** The bytes of a leaf with what proves its origin. */
export interface ProvenBytes {
  readonly bytes: Buffer;
  readonly path: string | null;
  readonly signature: string | null;
  readonly keyId: string | null;
}

/** By sequence; one statement. */
export const readBytes = async (db: Queryable, tenant: string, sequences: readonly number[]): Promise<ReadonlyMap<number, ProvenBytes>> => {
  const { rows } = await db.query<{ sequence: string; bytes: Buffer; path: string | null; signature: string | null; key_id: string | null }>('SELECT sequence::text, bytes, path, signature, key_id FROM leaf WHERE tenant = $1 AND sequence = ANY ($2::bigint[])', [tenant, [...sequences]]);
  return new Map(rows.map((row) => [Number(row.sequence), { bytes: row.bytes, path: row.path, signature: row.signature, keyId: row.key_id }]));
};
