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

  /**
   * Undefined for nearly every batch. Of each kind of lock it is all that the batch needs, or none: some now and some in a later
   * flight would be taken in another order than others take them.
   */
  guess(commands: readonly AuthorityCommand[]): LimitNeeds | undefined {
    if (this.limits.size === 0) return undefined;
    const needs = noLimitNeeds();
    let targetsKnown = true;
    for (const command of commands) {
      const limits = this.limits.get(command.tenant);
      if (limits === undefined) continue;
      if (command.kind === 'settle') {
        if (limits.run !== undefined) needs.settled.push({ tenant: command.tenant, reservationId: command.reservationId });
      } else if (command.kind === 'reserve') {
        const agent = agentOf(command);
        if (agent === undefined) return undefined;
        targetsKnown &&= command.presented !== undefined || limits.velocity?.some(({ by }) => by.includes('target')) !== true;
        guessClaim(needs, command, agent, limits);
      }
    }
    if (!targetsKnown) needs.velocity.clear();
    return needsNothing(needs) ? undefined : needs;
  }
}

/** Who claims in its own name. Under a delegation the run and what is counted are other agents' too. */
const agentOf = ({ caller, request }: ReserveAsked): string | undefined => (request.delegation_id !== undefined ? undefined : caller.type === 'agent' ? caller.agent : request.agent);

/** The target is known only of a grant that is presented. */
const guessClaim = (needs: LimitNeeds, { tenant, request, presented }: ReserveAsked, agent: string, { run, velocity }: PolicyLimits): void => {
  if (run !== undefined) needRun(needs, runOf(tenant, request.run_id, agent, undefined));
  if (velocity !== undefined) needVelocity(needs, tenant, velocity, [{ agent, actionKind: request.action_kind, targetKey: presented?.target_key }]);
};
