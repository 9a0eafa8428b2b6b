import { Inject, Injectable } from '@nestjs/common';
import { definitionOf } from '@exequatur/contracts';
import type { ActionProposed, ApprovalRequired, Caps, DataOf, EventEnvelope, SealedProposal, Verdict } from '@exequatur/contracts';
import { parseStrict } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { outcomeOf } from '@exequatur/policy-domain';
import type { Outcome, ProposalWithJson } from '@exequatur/policy-domain';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE } from '@exequatur/service-kit';

/** One action as it was proposed, and what policy said then. */
export interface RecordedAction {
  readonly actionId: string;
  readonly agent: string;
  /** for whom it acted */
  readonly chain?: readonly string[];
  readonly before: Outcome;
  /** absent when its content was erased: nobody can say what another policy would make of it */
  readonly proposal?: ProposalWithJson;
}

const VERDICT_OF: Readonly<Record<string, Verdict>> = { ActionAllowed: 'ALLOW', ActionCapped: 'ALLOW_WITH_CAPS', ApprovalRequired: 'REQUIRE_APPROVAL', ActionQuarantined: 'QUARANTINE', ActionDenied: 'DENY' };

/** Canonical text of what was accepted as 256 KiB: at most 262,144 characters of up to 3 bytes. */
const MAX_ARGUMENT_BYTES = 3 * 262_144;

@Injectable()
export class RecordedActions {
  constructor(
    private readonly database: Database,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** Newest first, older than `before`. What people's earlier refusals decided is left out: policy did not decide it. */
  async page(tenant: string, before: string | undefined, limit: number): Promise<{ readonly actions: readonly RecordedAction[]; readonly last: string | undefined }> {
    const { rows: ids } = await this.database.query<{ action_id: string }>('SELECT action_id FROM action_view WHERE tenant = $1 AND ($2::uuid IS NULL OR action_id < $2) ORDER BY action_id DESC LIMIT $3', [tenant, before ?? null, limit]);
    const actionIds = ids.map(({ action_id }) => action_id);
    return { actions: await this.of(tenant, actionIds), last: actionIds.at(-1) };
  }

  /** Those of these actions that policy decided, in this order. */
  async of(tenant: string, actionIds: readonly string[]): Promise<readonly RecordedAction[]> {
    const { rows } = await this.database.query<{ subject: string; version: number; bytes: Buffer }>(`SELECT subject, version, bytes FROM event WHERE tenant = $1 AND aggregate = 'action' AND subject = ANY($2::text[]) AND version <= 2`, [tenant, actionIds]);
    const events = new Map(rows.map(({ subject, version, bytes }) => [`${subject} ${version}`, JSON.parse(bytes.toString('utf8')) as EventEnvelope]));
    const keys = await this.keys.actionKeys(tenant, actionIds);
    return actionIds.flatMap((actionId) => {
      const [proposed, verdict] = [events.get(`${actionId} 1`), events.get(`${actionId} 2`)];
      return proposed === undefined || verdict === undefined || isRefusedBefore(verdict) ? [] : [recorded(actionId, proposed as EventEnvelope<DataOf<typeof ActionProposed>>, verdict, keys.get(actionId))];
    });
  }
}

const isRefusedBefore = ({ data }: EventEnvelope): boolean => (data as { readonly code?: string }).code === 'PREVIOUSLY_REJECTED';

const recorded = (actionId: string, proposed: EventEnvelope<DataOf<typeof ActionProposed>>, verdict: EventEnvelope, key: Buffer | undefined): RecordedAction => {
  const said = verdict.data as { readonly rule_id: string; readonly tier?: 'AUTO' | 'LOG'; readonly caps?: Caps } & Partial<Pick<DataOf<typeof ApprovalRequired>, 'demand'>>;
  const before = outcomeOf({ ...said, verdict: VERDICT_OF[definitionOf(verdict.type)?.name ?? ''] ?? 'QUARANTINE' });
  const { facts, act_chain: chain } = proposed.data;
  const common = { actionId, agent: facts.agent, ...(chain === undefined ? {} : { chain }), before };
  if (key === undefined || proposed.sealed === undefined) return common;
  return { ...common, proposal: proposalFrom(proposed.data, open(key, proposed.sealed, proposed.id) as SealedProposal) };
};

/** The proposal as it was made. Events from before `claimed` told everything: what the server did not derive was claimed. */
const proposalFrom = ({ facts, claimed }: DataOf<typeof ActionProposed>, sealed: SealedProposal): ProposalWithJson => {
  const environment = claimed.environment ?? (facts.derived?.environment === undefined ? facts.environment : undefined);
  return {
    scope_path: facts.scope_path,
    run_id: facts.run_id,
    action_kind: facts.action_kind,
    tool: facts.tool,
    arguments: parseStrict(sealed.arguments, { maxBytes: MAX_ARGUMENT_BYTES }) as JsonValue,
    execution_mode: facts.execution_mode,
    ...(facts.delegation_id === undefined ? {} : { delegation_id: facts.delegation_id }),
    risk_tags: claimed.risk_tags ?? (facts.derived === undefined ? [] : facts.risk_tags),
    ...(environment === undefined ? {} : { environment }),
    ...(claimed.risk_points === undefined ? {} : { risk_points: claimed.risk_points }),
    ...(claimed.estimates === undefined ? {} : { estimates: claimed.estimates }),
    ...(claimed.target === true && sealed.target !== undefined ? { target: sealed.target } : {}),
    ...(sealed.evidence === undefined ? {} : { evidence: sealed.evidence }),
    ...(sealed.reversal === undefined ? {} : { reversal: sealed.reversal }),
    ...(facts.confidence === undefined ? {} : { confidence: facts.confidence }),
  };
};
