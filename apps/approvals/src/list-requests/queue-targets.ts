import { Inject, Injectable } from '@nestjs/common';
import { visibleText, type Card } from '@exequatur/approvals-domain';
import { ApprovalOpened } from '@exequatur/contracts';
import type { EventEnvelope, SealedOf } from '@exequatur/contracts';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE } from '@exequatur/service-kit';

const OPENED = `SELECT bytes FROM event WHERE tenant = $1 AND aggregate = 'approval' AND subject = ANY ($2) AND version = 1 AND type = $3`;
const LONGEST = 120;
const NAMED = 2;

/** Whom or what each request is about, for the rows of one page: opened from the sealed cards, since the queue keeps nothing personal. */
@Injectable()
export class QueueTargets {
  constructor(
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** By approval id; nothing for what was erased. */
  async of(tenant: string, approvalIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { rows } = await this.database.query<{ bytes: Buffer }>(OPENED, [tenant, approvalIds, ApprovalOpened.type]);
    const found = await Promise.all(rows.map(({ bytes }) => this.targetIn(tenant, JSON.parse(bytes.toString('utf8')) as EventEnvelope)));
    return new Map(found.flatMap((each) => (each === undefined ? [] : [each])));
  }

  private async targetIn(tenant: string, { id, subject, sealed }: EventEnvelope): Promise<[string, string] | undefined> {
    const key = sealed === undefined ? undefined : await this.keys.actionKey(tenant, sealed.action_id);
    if (sealed === undefined || key === undefined || subject === undefined) return undefined;
    const card = JSON.parse((open(key, sealed, id) as SealedOf<typeof ApprovalOpened>).card) as Card;
    const text = shownTarget(card);
    return text === '' ? undefined : [subject, text];
  }
}

const shownTarget = ({ more, action }: Card): string => {
  const recipients = more?.recipients ?? [];
  const others = recipients.length + (more?.recipients_not_shown ?? 0) - NAMED;
  const named = recipients.length === 0 ? action.target : `${recipients.slice(0, NAMED).join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
  return visibleText(named.replaceAll('\n', ' '), LONGEST).text;
};
