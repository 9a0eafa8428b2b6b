import { Inject, Injectable } from '@nestjs/common';
import { visibleText } from '@exequatur/approvals-domain';
import { ActionReviewed, ReviewOpened } from '@exequatur/contracts';
import type { DataOf, SealedProposal } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgQueries, PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { open, seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE, problem, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { keepReviewRow, reviewStream } from './review-rows.js';

/** As much of the arguments as is shown. */
const MOST_TEXT = 20_000;

interface Row {
  readonly action_id: string;
  readonly tier: 'AUTO' | 'LOG';
  readonly rule_id: string;
  readonly agent: string;
  readonly action_kind: string;
  readonly opened_at: Date;
  readonly judgement: 'right' | 'wrong' | null;
  readonly reviewed_by: string | null;
}
export interface ListedReview extends Omit<Row, 'opened_at'> {
  readonly opened_at: string;
}

/** What a person found. */
export interface Finding {
  readonly person: string;
  readonly judgement: 'right' | 'wrong';
  readonly at: string;
  /** absent once erased */
  readonly words?: string;
}

export interface ReviewInDetail {
  readonly opened: DataOf<typeof ReviewOpened>;
  readonly openedAt: string;
  /** absent once erased */
  readonly content?: SealedProposal;
  readonly finding?: Finding;
}

const findingIn = ({ envelope }: RecordedEvent, sealed: unknown): Finding => {
  const { person, judgement } = envelope.data as DataOf<typeof ActionReviewed>;
  const words = (sealed as { readonly words?: string } | undefined)?.words;
  return { person, judgement, at: envelope.time, ...(words === undefined ? {} : { words }) };
};

/** Actions that policy allowed and drew: people say afterwards whether that was right. */
@Injectable()
export class ReviewAfterwards {
  constructor(
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** Oldest first, 200 at most. */
  async list(person: PersonPrincipal, includeReviewed: boolean): Promise<readonly ListedReview[]> {
    const { rows } = await this.database.query<Row>(
      'SELECT action_id, tier, rule_id, agent, action_kind, opened_at, judgement, reviewed_by FROM action_review WHERE tenant = $1 AND ($2 OR judgement IS NULL) ORDER BY action_id LIMIT 200',
      [person.tenant, includeReviewed],
    );
    return rows.map((row) => ({ ...row, opened_at: row.opened_at.toISOString() }));
  }

  /** What ran, or may have run: its facts, and its content unless it was erased. @throws Problem NOT_FOUND */
  async show(person: PersonPrincipal, actionId: string): Promise<object> {
    const { opened, content } = await this.read(person, actionId);
    const { facts, rule_id, reason, tier, arguments_hash } = opened;
    const shown = (text: string | undefined): string | null => (text === undefined ? null : visibleText(text, MOST_TEXT).text);
    return { action_id: actionId, tier, rule_id, reason, facts, arguments_hash, arguments: shown(content?.arguments), target: shown(content?.target), agent_words: shown(content?.reasoning) };
  }

  /** The same as it was recorded, with what people said about it. @throws Problem NOT_FOUND */
  async read(person: PersonPrincipal, actionId: string): Promise<ReviewInDetail> {
    return this.database.snapshot(async (tx) => {
      const { past, opened } = await this.load(tx, person.tenant, actionId);
      const key = await this.keys.actionKey(person.tenant, actionId, tx);
      const sealedIn = ({ envelope }: RecordedEvent): unknown => (key === undefined || envelope.sealed === undefined ? undefined : open(key, envelope.sealed, envelope.id));
      const content = sealedIn(opened) as SealedProposal | undefined;
      const reviewed = past.find(({ envelope }) => envelope.type === ActionReviewed.type);
      return { opened: opened.envelope.data as DataOf<typeof ReviewOpened>, openedAt: opened.envelope.time, ...(content === undefined ? {} : { content }), ...(reviewed === undefined ? {} : { finding: findingIn(reviewed, sealedIn(reviewed)) }) };
    });
  }

  /** Once, by somebody else than whoever asked. The caller holds the stream's lock. @throws Problem */
  async judge(tx: PgTransaction, person: PersonPrincipal, actionId: string, judgement: 'right' | 'wrong', words: string): Promise<void> {
    const { past, opened } = await this.load(tx, person.tenant, actionId);
    const { agent_owner, act_chain = [] } = opened.envelope.data as DataOf<typeof ReviewOpened>;
    if (agent_owner === person.id || (act_chain.length > 0 && (await holdsOneOf(tx, person, act_chain)))) problem('SELF_APPROVAL', 'somebody else than the owner of the agent, and than whom it acted for, reviews it');
    if (past.length > 1) problem('ALREADY_DECIDED', 'it is reviewed already');
    if (words.trim() === '') problem('REASON_REQUIRED', 'say why', [{ pointer: '/words', expected: 'words' }]);
    const id = newId();
    const key = await this.keys.actionKey(person.tenant, actionId, tx);
    const time = toInstant(await this.streams.databaseNow(tx));
    const reviewed = { definition: ActionReviewed, id, data: { action_id: actionId, person: person.id, judgement }, actor: { type: 'person', id: person.id } as const, correlationId: actionId, time };
    const added = await this.store.append(tx, [{ stream: reviewStream(person.tenant, actionId), expectedVersion: past.length, events: [key === undefined ? reviewed : { ...reviewed, sealed: seal(key, actionId, id, { words }) }] }]);
    await keepReviewRow(tx, person.tenant, [...past, ...added]);
  }

  private async load(tx: PgQueries, tenant: string, actionId: string): Promise<{ readonly past: readonly RecordedEvent[]; readonly opened: RecordedEvent }> {
    const past = await this.store.load(tx, reviewStream(tenant, actionId));
    return { past, opened: past[0] ?? problem('NOT_FOUND') };
  }
}

/** Whether one of these accounts is this person's now. */
const holdsOneOf = async (tx: PgQueries, { tenant, id }: PersonPrincipal, accounts: readonly string[]): Promise<boolean> =>
  (await tx.query('SELECT FROM directory_account WHERE tenant = $1 AND person = $2 AND subject = ANY ($3)', [tenant, id, accounts])).rows.length > 0;
