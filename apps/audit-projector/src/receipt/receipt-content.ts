import { Inject, Injectable } from '@nestjs/common';
import { ActionProposed, ApprovalOpened } from '@exequatur/contracts';
import type { EventEnvelope, ReceiptContent, SealedOf } from '@exequatur/contracts';
import { KEY_STORE } from '@exequatur/service-kit';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import type { TimelineRow } from '../timeline-view/project.js';
import type { ProvenBytes } from './receipt-rows.js';

/** Opens what was sealed for one action: its arguments and the cards its approvers saw. After erasure there is nothing to open. */
@Injectable()
export class OpenContent {
  constructor(@Inject(KEY_STORE) private readonly keys: KeyStore) {}

  async of(tenant: string, actionId: string, rows: readonly TimelineRow[], bytes: ReadonlyMap<number, ProvenBytes>): Promise<ReceiptContent> {
    const key = await this.keys.actionKey(tenant, actionId);
    if (key === undefined) return { cards: [], erased: true };
    const opened = <S>(row: TimelineRow): S | undefined => {
      const { id, sealed } = JSON.parse(bytes.get(row.sequence)?.bytes.toString('utf8') ?? '{}') as Partial<EventEnvelope>;
      return id === undefined || sealed === undefined ? undefined : (open(key, sealed, id) as S);
    };
    const proposed = rows.find(({ type }) => type === ActionProposed.type);
    const proposal = proposed === undefined ? undefined : opened<SealedOf<typeof ActionProposed>>(proposed);
    const cards = rows.filter(({ type }) => type === ApprovalOpened.type).flatMap((row) => {
      const card = opened<SealedOf<typeof ApprovalOpened>>(row)?.card;
      return card === undefined ? [] : [{ event_id: row.event_id, view_hash: (JSON.parse(row.data) as { view_hash: string }).view_hash, card }];
    });
    return {
      ...(proposal === undefined ? {} : { salt: proposal.salt, arguments: proposal.arguments, ...(proposal.target === undefined ? {} : { target: proposal.target }) }),
      cards,
    };
  }
}
