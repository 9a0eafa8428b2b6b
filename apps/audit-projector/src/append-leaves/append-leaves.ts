import { Injectable } from '@nestjs/common';
import { TreeHeadPublished } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { originVerifier } from '@exequatur/audit-chain';
import type { OriginVerifier } from '@exequatur/audit-chain';
import { PgEventStore } from '@exequatur/event-store';
import { Signer } from '@exequatur/service-kit';
import type { IncomingMessage } from '@exequatur/messaging';
import { AUDIT_LIMITS } from '../limits.js';
import { project } from '../timeline-view/project.js';
import { insertTimeline } from '../timeline-view/timeline-rows.js';
import { knownLeaves, readLogs, writePlan } from './leaf-rows.js';
import { logsOf, planAppend } from './plan-append.js';
import { isOwnTreeHead, readMessage } from './read-message.js';
import type { IncomingLeaf } from './read-message.js';

/** Its lock is the right to write a tenant's log: one writer at a time, over all instances. */
export const logStream = (tenant: string): StreamId => ({ tenant, aggregate: TreeHeadPublished.aggregate, id: tenant });

/** Takes messages into the logs of their tenants: leaves, Merkle tree and timeline in one transaction. */
@Injectable()
export class AppendLeaves {
  private readonly verifyOrigin: OriginVerifier;

  constructor(
    private readonly store: PgEventStore,
    signer: Signer,
  ) {
    this.verifyOrigin = originVerifier(signer.trustedKeys);
  }

  /**
   * Messages of partitions, each in its order; again and again the same ones, if need be. Refuses nothing: what cannot be read
   * or proven is recorded as that. Rejects only when the database does, and then has written nothing.
   */
  async append(messages: readonly IncomingMessage[]): Promise<void> {
    const incoming = messages.map((message) => readMessage(message, this.verifyOrigin)).filter((leaf) => !isOwnTreeHead(leaf));
    for (const portion of portionsOf(incoming)) await this.appendPortion(portion);
  }

  private async appendPortion(incoming: readonly IncomingLeaf[]): Promise<void> {
    const tenants = logsOf(incoming);
    await this.store.transact({ streams: tenants.map(logStream) }, async (tx) => {
      const logs = await readLogs(tx, tenants);
      const plan = planAppend(incoming, logs, await knownLeaves(tx, tenants, incoming));
      if (plan.leaves.length === 0) return;
      await writePlan(tx, plan);
      const rows = plan.leaves.flatMap(({ tenant, sequence, leaf }) => {
        const row = leaf.envelope === undefined ? null : project(null, { tenant, sequence, bytes: leaf.bytes });
        return row === null ? [] : [{ ...row, generation: logs.get(tenant)?.generation ?? 1 }];
      });
      await insertTimeline(tx, rows);
    });
  }
}

/** A few huge messages must not make one transaction that no memory holds: it would be tried again for ever. */
const portionsOf = (incoming: readonly IncomingLeaf[]): readonly (readonly IncomingLeaf[])[] => {
  const portions: IncomingLeaf[][] = [];
  let bytes = Infinity;
  for (const leaf of incoming) {
    bytes += leaf.bytes.length;
    if (bytes > AUDIT_LIMITS.appendBytes) {
      portions.push([]);
      bytes = leaf.bytes.length;
    }
    portions.at(-1)?.push(leaf);
  }
  return portions;
};
