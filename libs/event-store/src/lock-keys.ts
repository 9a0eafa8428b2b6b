import { streamKey } from '@exequatur/contracts';
import type { ServiceName, StreamId } from '@exequatur/contracts';
import { sha256 } from '@exequatur/kernel';
import type { Locks } from './port.js';

/** Signed 64 bits of SHA-256, which is what PostgreSQL's advisory locks take. Two names that collide only wait for each other. */
const lockKey = (name: string): bigint => sha256(Buffer.from(name, 'utf8')).readBigInt64BE(0);

/** Fences are a service's own: policy and reservations each hold theirs, though one database may serve both. */
export const fenceKey = (service: ServiceName, tenant: string): bigint => lockKey(`fence:${service}:${tenant}`);
export const streamLockKey = (service: ServiceName, stream: StreamId): bigint => lockKey(`stream:${service}:${streamKey(stream)}`);
/** Session lock of the one relay a service may have. */
export const relayKey = (service: ServiceName): bigint => lockKey(`relay:${service}`);

const byKey = (left: { key: bigint }, right: { key: bigint }): number => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0);

export interface LockPlan {
  readonly fences: readonly { readonly key: bigint; readonly exclusive: boolean }[];
  readonly streams: readonly { readonly key: bigint }[];
}

/** Each set without duplicates and sorted by numeric key, so that no two transactions can wait for each other. */
export const lockPlan = (service: ServiceName, locks: Locks): LockPlan => {
  const fences = new Map<bigint, boolean>();
  for (const { tenant, mode } of locks.fences ?? []) {
    const key = fenceKey(service, tenant);
    fences.set(key, mode === 'exclusive' || fences.get(key) === true);
  }
  const streams = new Set(locks.streams.map((stream) => streamLockKey(service, stream)));
  return {
    fences: [...fences].map(([key, exclusive]) => ({ key, exclusive })).sort(byKey),
    streams: [...streams].map((key) => ({ key })).sort(byKey),
  };
};
