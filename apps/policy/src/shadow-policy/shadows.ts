import { Injectable } from '@nestjs/common';
import { changeBetween, deriveFacts, judge, outcomeOf, readPolicy } from '@exequatur/policy-domain';
import type { Change, Ruling } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import type { PgTransaction } from '@exequatur/event-store';
import type { Queryable } from '@exequatur/service-kit';
import type { ProposeAction } from '../propose-action/propose-action.command.js';
import type { TriedPolicy } from '../try-policy/tried-policies.js';

/** One action that the active policy has just decided. */
export interface Decided {
  readonly actionId: string;
  readonly command: ProposeAction;
  readonly ruling: Ruling;
}

interface Counted {
  readonly tenant: string;
  readonly hash: string;
  readonly kind: string;
  readonly before: string;
  readonly after: string;
  readonly change: Change;
  actions: number;
  last: string;
}

/** Parsed candidates kept by hash; which one a tenant has is always read. */
const MAX_PARSED = 50;

/** Candidates beside active policies: judged on the same proposals, counted, and without any effect on what is decided. */
@Injectable()
export class Shadows {
  private readonly parsed = new Map<string, TriedPolicy>();

  /** Sent last in the batch's transaction, so that the counters are locked shortly; in one order, so that batches do not wait in a circle. */
  count(tx: PgTransaction, shadows: ReadonlyMap<string, TriedPolicy>, decided: readonly Decided[]): void {
    if (shadows.size === 0) return;
    const counts = [...this.counted(shadows, decided).entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, counted]) => counted);
    tx.send({
      name: 'shadow-count',
      text: `INSERT INTO shadow_count AS c SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::uuid[])
       ON CONFLICT (tenant, policy_hash, action_kind, rule_before, rule_after, change) DO UPDATE SET actions = c.actions + excluded.actions, last_action = excluded.last_action`,
      values: [counts.map(({ tenant }) => tenant), counts.map(({ hash }) => hash), counts.map(({ kind }) => kind), counts.map(({ before }) => before), counts.map(({ after }) => after), counts.map(({ change }) => change), counts.map(({ actions }) => actions), counts.map(({ last }) => last)],
    });
  }

  /** The candidate of each tenant that has one. */
  async of(tx: Queryable, tenants: readonly string[]): Promise<ReadonlyMap<string, TriedPolicy>> {
    const { rows } = await tx.query<{ tenant: string; policy_hash: string }>('SELECT tenant, policy_hash FROM policy_shadow WHERE tenant = ANY($1::text[])', [tenants]);
    const shadows = new Map<string, TriedPolicy>();
    for (const { tenant, policy_hash: hash } of rows) {
      const shadow = this.parsed.get(hash) ?? (await this.load(tx, tenant, hash));
      if (shadow !== undefined) shadows.set(tenant, shadow);
    }
    return shadows;
  }

  /** Undefined where it was replaced meanwhile: the next batch sees the other one. */
  private async load(tx: Queryable, tenant: string, hash: string): Promise<TriedPolicy | undefined> {
    const { rows } = await tx.query<{ canonical: string; registered_kinds: string[] }>('SELECT canonical, registered_kinds FROM policy_shadow WHERE tenant = $1 AND policy_hash = $2', [tenant, hash]);
    const [row] = rows;
    if (row === undefined) return undefined;
    const shadow = { policy: readPolicy(row.canonical), registered: new Set(row.registered_kinds), hash };
    if (this.parsed.size >= MAX_PARSED) this.parsed.clear();
    this.parsed.set(hash, shadow);
    return shadow;
  }

  private counted(shadows: ReadonlyMap<string, TriedPolicy>, decided: readonly Decided[]): ReadonlyMap<string, Counted> {
    const counts = new Map<string, Counted>();
    for (const { actionId, command, ruling } of decided) {
      const { tenant, id: agent } = command.agent;
      const shadow = shadows.get(tenant);
      // What a person refused before was not decided by a policy.
      if (shadow === undefined || ruling.code === 'PREVIOUSLY_REJECTED') continue;
      const derived = deriveFacts(shadow.policy, command.proposal, { tenant, agent }, policyLanguages.schemas);
      const after = judge(shadow.policy, shadow.registered, derived, policyLanguages.conditions);
      const change = changeBetween(outcomeOf(ruling), outcomeOf(after));
      const kind = command.proposal.action_kind;
      const key = JSON.stringify([tenant, shadow.hash, kind, ruling.rule_id, after.rule_id, change]);
      const counted = counts.get(key) ?? { tenant, hash: shadow.hash, kind, before: ruling.rule_id, after: after.rule_id, change, actions: 0, last: actionId };
      counted.actions += 1;
      counted.last = actionId;
      counts.set(key, counted);
    }
    return counts;
  }
}
