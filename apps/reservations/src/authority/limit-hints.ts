import type { PolicyLimits } from '@exequatur/contracts';
import type { AuthorityCommand, ReserveAsked } from './authority-command.js';
import { needRun, needsNothing, needVelocity, noLimitNeeds, runOf } from './limit-rows.js';
import type { LimitNeeds } from './limit-rows.js';
import type { TenantBoard } from './tenant-board.js';

/**
 * The limits each tenant's policy had when it was last read, so that what they are judged on can be asked for together with the
 * policy. They decide nothing: the board of the same flight says what is needed, and what is missing then is read behind it.
 */
export class LimitHints {
  private readonly limits = new Map<string, PolicyLimits>();

  remember(boards: ReadonlyMap<string, TenantBoard>): void {
    for (const [tenant, { policy }] of boards) {
      const limits = policy?.limits;
      if (limits?.run !== undefined || (limits?.velocity !== undefined && limits.velocity.length > 0)) this.limits.set(tenant, limits);
      else if (this.limits.size > 0) this.limits.delete(tenant);
    }
  }

  /** Undefined for nearly every batch. */
  guess(commands: readonly AuthorityCommand[]): LimitNeeds | undefined {
    if (this.limits.size === 0) return undefined;
    const needs = noLimitNeeds();
    for (const command of commands) {
      const limits = this.limits.get(command.tenant);
      if (limits === undefined) continue;
      if (command.kind === 'reserve') guessClaim(needs, command, limits);
      else if (command.kind === 'settle' && limits.run !== undefined) needs.settled.push({ tenant: command.tenant, reservationId: command.reservationId });
    }
    return needsNothing(needs) ? undefined : needs;
  }
}

/** As for a claim in the agent's own name. The target is known only of a grant that is presented. */
const guessClaim = (needs: LimitNeeds, { tenant, caller, request, presented }: ReserveAsked, { run, velocity }: PolicyLimits): void => {
  const agent = caller.type === 'agent' ? caller.agent : request.agent;
  // Under a delegation the run and the subjects are other agents' too.
  if (agent === undefined || request.delegation_id !== undefined) return;
  if (run !== undefined) needRun(needs, runOf(tenant, request.run_id, agent, undefined));
  const known = presented === undefined ? velocity?.filter(({ by }) => !by.includes('target')) : velocity;
  if (known !== undefined) needVelocity(needs, tenant, known, [{ agent, actionKind: request.action_kind, targetKey: presented?.target_key }]);
};
