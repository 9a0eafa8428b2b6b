import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { canonicalBytes } from '@exequatur/kernel';
import { Database } from '@exequatur/service-kit';
import type { ProposeAction } from '../propose-action/propose-action.command.js';

/** Keys kept in memory; they never change, so nothing here can be stale. */
const MAX_KEPT = 10_000;

/** A tenant's key for telling whether two proposals ask for the same. Nobody else learns it, and it stands in no event. */
@Injectable()
export class EqualityKeys {
  private readonly kept = new Map<string, Buffer>();

  constructor(private readonly database: Database) {}

  async of(tenants: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    const unknown = tenants.filter((tenant) => !this.kept.has(tenant));
    if (unknown.length > 0) await this.load(unknown);
    return new Map(tenants.flatMap((tenant) => [[tenant, this.kept.get(tenant)] as const]).filter((entry): entry is readonly [string, Buffer] => entry[1] !== undefined));
  }

  /** Outside the batch's transaction: a key that was used once must not go away with a rollback. */
  private async load(tenants: readonly string[]): Promise<void> {
    await this.database.query('INSERT INTO equality_key SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING', [tenants, tenants.map(() => randomBytes(32))]);
    const { rows } = await this.database.query<{ tenant: string; key: Buffer }>('SELECT tenant, key FROM equality_key WHERE tenant = ANY($1::text[])', [tenants]);
    if (this.kept.size + rows.length > MAX_KEPT) this.kept.clear();
    for (const { tenant, key } of rows) this.kept.set(tenant, key);
  }
}

/** The same kind by the same tool with the same arguments. Target and version are left out: varying a claim makes no other action. */
export const equalityOf = (key: Buffer, { proposal }: ProposeAction): Buffer =>
  createHmac('sha256', key)
    .update(canonicalBytes({ action_kind: proposal.action_kind, tool: proposal.tool.name, arguments: proposal.arguments }))
    .digest();
