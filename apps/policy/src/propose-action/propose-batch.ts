import { Inject, Injectable } from '@nestjs/common';
import { streamKey } from '@exequatur/contracts';
import { PgEventStore, pipelined } from '@exequatur/event-store';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { canonicalBytes, fromInstant, newId, sha256 } from '@exequatur/kernel';
import type { Clock, JsonValue } from '@exequatur/kernel';
import type { Rejection } from '@exequatur/policy-domain';
import type { KeyStore } from '@exequatur/sealing';
import { Answer, CLOCK, Idempotency, KEY_STORE, principalName, Problem, ServiceConfig, Signer } from '@exequatur/service-kit';
import type { IdempotentScope } from '@exequatur/service-kit';
import { sendViews } from '../action-view/action-view-rows.js';
import { foldAction } from '../action-view/action-view.js';
import type { ActionView } from '../action-view/action-view.js';
import { ActivePolicies } from '../policy-versions/active-policies.js';
import type { ActivePolicy } from '../policy-versions/active-policies.js';
import { rejectionsOf, rememberAsked } from '../second-asking/asked-proposals.js';
import type { AskedProposal } from '../second-asking/asked-proposals.js';
import { EqualityKeys, equalityOf } from '../second-asking/equality-keys.js';
import { Shadows } from '../shadow-policy/shadows.js';
import type { TriedPolicy } from '../try-policy/tried-policies.js';
import { actionStream, proposalWrite } from './action-events.js';
import { decideProposal } from './decide-proposal.js';
import type { DecidedProposal, ProposalIds } from './decide-proposal.js';
import { answerOf } from './proposal-answer.js';
import type { ProposeAction } from './propose-action.command.js';

interface Prepared {
  readonly command: ProposeAction;
  readonly ids: ProposalIds;
  readonly scope: IdempotentScope;
  readonly asked: AskedProposal;
}

/** The input is the proposal, whatever its bytes and door were: the same proposal twice is one action. */
export const proposalScope = ({ agent, proposal, idempotencyKey, anew }: ProposeAction): IdempotentScope => ({
  tenant: agent.tenant,
  principal: principalName(agent),
  // An operation of its own, so that no key an agent chose can stand in the way of a person.
  operation: anew === undefined ? 'propose-action' : 'decide-anew',
  key: idempotencyKey,
  inputHash: sha256(canonicalBytes(proposal as unknown as JsonValue)),
});

/** What proposals are decided on, read under their tenants' fences. */
interface Known {
  readonly active: ReadonlyMap<string, ActivePolicy>;
  readonly rejections: ReadonlyMap<string, Rejection>;
  readonly shadows: ReadonlyMap<string, TriedPolicy>;
}

/**
 * One transaction for many proposals (architecture.md section 5) in two flights of statements: fences, idempotency keys and all
 * that is decided on; then, when each proposal has been decided in order, all that is written, with the commit.
 */
@Injectable()
export class ProposeBatch {
  constructor(
    private readonly store: PgEventStore,
    private readonly idempotency: Idempotency,
    private readonly policies: ActivePolicies,
    private readonly equality: EqualityKeys,
    private readonly shadows: Shadows,
    private readonly signer: Signer,
    private readonly config: ServiceConfig,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** One answer, or the problem to answer with, for each command. */
  async run(commands: readonly ProposeAction[]): Promise<readonly (Answer | Problem)[]> {
    const nowMs = this.clock.now();
    const tenants = [...new Set(commands.map(({ agent }) => agent.tenant))];
    const equalityKeys = await this.equality.of(tenants);
    const prepared = commands.map((command): Prepared => {
      const ids = { actionId: newId(nowMs), approvalId: newId(nowMs), nowMs };
      return { command, ids, scope: proposalScope(command), asked: askedOf(command, ids, equalityKeys) };
    });
    const locks = {
      fences: tenants.map((tenant) => ({ tenant, mode: 'shared' as const })),
      streams: [],
      fresh: prepared.map(({ command, ids }) => actionStream(command.agent.tenant, ids.actionId)),
    };
    return this.store.transactAtOnce(locks, async (tx) => {
      const [claims, active, rejections, shadows] = await pipelined(
        this.idempotency.claimMany(tx, prepared.map(({ scope }) => scope)),
        this.policies.of(tx, tenants),
        rejectionsOf(tx, prepared.map(({ asked }) => asked)),
        this.shadows.of(tx, tenants),
      );
      const fresh = prepared.filter((_, index) => claims[index]?.status === 'new');
      const answers = await this.decideAll(tx, fresh, { active, rejections, shadows });
      const answerAt = (index: number): Answer | Problem => {
        const [claim, entry] = [claims[index], prepared[index]];
        if (claim?.status === 'replay') return claim.replay;
        if (claim?.status === 'refused') return claim.problem;
        if (claim?.status === 'twin') return answerAt(claim.of);
        return (entry === undefined ? undefined : answers.get(entry.ids.actionId)) ?? new Problem('INTERNAL');
      };
      return prepared.map((_, index) => answerAt(index));
    });
  }

  private async decideAll(tx: PgTransaction, fresh: readonly Prepared[], { active, rejections, shadows }: Known): Promise<ReadonlyMap<string, Answer>> {
    if (fresh.length === 0) return new Map();
    const decided = fresh.map(({ command, ids }) => {
      const policy = active.get(command.agent.tenant);
      if (policy === undefined) throw new Error('the active policy of a tenant was not read');
      return decideProposal(command, ids, policy, rejections.get(ids.actionId));
    });
    const keys = await this.newKeys(tx, decided);
    const recorded = byStream(this.store.send(tx, decided.map((one) => proposalWrite(one, keyOf(keys, one), this.signer))));
    const views = decided.map((one) => viewOf(one, recorded));
    const answers = decided.map((one, index) => Answer.json(201, answerOf(one, views[index] as ActionView, this.config.PUBLIC_URL)));
    sendViews(tx, views.map((view, index) => ({ view, idempotencyKey: decided[index]?.command.idempotencyKey ?? null })));
    rememberAsked(tx, waitingOf(fresh, decided));
    await this.idempotency.keepMany(
      tx,
      fresh.map(({ scope, ids }, index) => ({ scope, kept: { answer: answers[index] as Answer, actionId: ids.actionId, actionKey: keyOf(keys, decided[index] as DecidedProposal), expiresAt: keptUntil(ids.nowMs, views[index]) } })),
    );
    this.shadows.count(tx, shadows, decided.map(({ ids, command, asked: { data } }) => ({ actionId: ids.actionId, command, ruling: data.ruling })));
    return new Map(fresh.map(({ ids }, index) => [ids.actionId, answers[index] as Answer]));
  }

  private async newKeys(tx: PgTransaction, decided: readonly DecidedProposal[]): Promise<ReadonlyMap<string, Buffer>> {
    const keys = new Map<string, Buffer>();
    for (const tenant of new Set(decided.map(({ command }) => command.agent.tenant))) {
      const ids = decided.filter(({ command }) => command.agent.tenant === tenant).map(({ ids: { actionId } }) => actionId);
      for (const [actionId, key] of await this.keys.newActionKeys(tenant, ids, tx)) keys.set(actionId, key);
    }
    return keys;
  }
}

const viewOf = ({ command, ids }: DecidedProposal, recorded: ReadonlyMap<string, readonly RecordedEvent[]>): ActionView => {
  const events = recorded.get(streamKey(actionStream(command.agent.tenant, ids.actionId))) ?? [];
  const view = events.reduce<ActionView | undefined>((before, { envelope }) => foldAction(before, envelope), undefined);
  if (view === undefined) throw new Error('an action without events has no view');
  return view;
};

const askedOf = (command: ProposeAction, ids: ProposalIds, keys: ReadonlyMap<string, Buffer>): AskedProposal => {
  const key = keys.get(command.agent.tenant);
  if (key === undefined) throw new Error('the equality key of a tenant was not read');
  return { tenant: command.agent.tenant, actionId: ids.actionId, agent: command.agent.id, runId: command.proposal.run_id, equality: equalityOf(key, command) };
};

/** Those that go to people, with how far their no would hold. */
const waitingOf = (fresh: readonly Prepared[], decided: readonly DecidedProposal[]) =>
  fresh.flatMap(({ asked }, index) => {
    const ruling = decided[index]?.asked.data.ruling;
    return ruling?.verdict === 'REQUIRE_APPROVAL' ? [{ ...asked, holds: ruling.rejection_holds ?? ('run' as const) }] : [];
  });

const DAY_MS = 24 * 60 * 60 * 1_000;

/** A key outlives its action: 24 hours past the end of the request for approval, or of the allowance, where there is one. */
const keptUntil = (nowMs: number, view: ActionView | undefined): Date => new Date(Math.max(nowMs, view?.expires_at === undefined ? 0 : fromInstant(view.expires_at)) + (view?.approval_id === undefined ? DAY_MS : 2 * DAY_MS));

const keyOf = (keys: ReadonlyMap<string, Buffer>, { ids }: DecidedProposal): Buffer => {
  const key = keys.get(ids.actionId);
  if (key === undefined) throw new Error('the key store gave no key for a new action');
  return key;
};

const byStream = (events: readonly RecordedEvent[]): ReadonlyMap<string, readonly RecordedEvent[]> => {
  const streams = new Map<string, RecordedEvent[]>();
  for (const event of events) {
    const known = streams.get(event.envelope.partitionkey);
    if (known === undefined) streams.set(event.envelope.partitionkey, [event]);
    else known.push(event);
  }
  return streams;
};
