import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { Answer } from '@exequatur/service-kit';
import { claimView } from '../authority/authority-answers.js';
import type { AuthorityOutcome, ReserveAsked } from '../authority/authority-command.js';
import { decideInOrder } from '../authority/decide-in-order.js';
import { authorityLocks, RuntimeAuthority } from '../authority/runtime-authority.js';

/** Carries the outcome out of the transaction that it undoes. */
class RolledBack extends Error {
  constructor(readonly outcome: AuthorityOutcome | undefined) {
    super('a dry run is always rolled back');
  }
}

/** The very decision of reserve, under the same locks, in a transaction that is rolled back. */
@Injectable()
export class DryRun {
  constructor(
    private readonly store: PgEventStore,
    private readonly authority: RuntimeAuthority,
  ) {}

  async decide(command: ReserveAsked): Promise<Answer> {
    const outcome = await this.outcomeOf(command);
    if (outcome?.kind !== 'reserved') throw new Error('a reserve was not decided');
    const { decision, nowMs } = outcome;
    if (!decision.held) return Answer.json(200, { allowed: 'no', code: decision.code });
    const { caps, holds, execute_within_ms } = claimView(decision.data, nowMs);
    return Answer.json(200, { allowed: 'yes', caps, holds, execute_within_ms });
  }

  private async outcomeOf(command: ReserveAsked): Promise<AuthorityOutcome | undefined> {
    try {
      return await this.store.transact(authorityLocks([command]), async (tx) => {
        throw new RolledBack(decideInOrder([command], await this.authority.read(tx, [command])).outcomes[0]);
      });
    } catch (error) {
      if (error instanceof RolledBack) return error.outcome;
      throw error;
    }
  }
}
