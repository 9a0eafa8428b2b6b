import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Answer, Database, Problem } from '@exequatur/service-kit';
import { AuthorityBatches } from '../authority/authority-batches.js';
import type { Submission } from '../authority/authority-batches.js';
import { LeaseAnswer, withRemaining } from './cycles-answer.js';

/** A repeated request waits so long in all for the first one, which takes a transaction; then it is told to come back. */
const WAITS_MS = [5, 15, 40, 100];

const ACTIVE = ['Held', 'Started', 'Unknown'];

/** The door of the Cycles surface to group commit: commands go where every other command goes. */
@Injectable()
export class CyclesBatches {
  constructor(
    private readonly batches: AuthorityBatches,
    private readonly database: Database,
  ) {}

  /** @throws Problem */
  async submit(submission: Submission): Promise<Answer> {
    for (const waitMs of WAITS_MS) {
      try {
        return await this.batches.submit(submission);
      } catch (error) {
        // The first request with this key has not been answered yet: the answer to both is on its way.
        if (!(error instanceof Problem) || error.code !== 'IDEMPOTENCY_IN_FLIGHT') throw error;
        await delay(waitMs);
      }
    }
    return this.batches.submit(submission);
  }

  /**
   * An answer that names a lease, with the time that is left of it: of a new one as it was decided; of a replayed one by the
   * expiry it names and the clock of now, 0 once the reservation has ended (the protocol's rule for remaining_ttl_ms).
   */
  async submitLease(submission: Submission, reservationId?: string): Promise<Answer> {
    const answer = await this.submit(submission);
    if (answer instanceof LeaseAnswer) return withRemaining(answer, answer.remainingMs);
    const { reservation_id, expires_at_ms } = JSON.parse(answer.body.toString('utf8')) as { reservation_id?: string; expires_at_ms?: number };
    const leased = reservationId ?? reservation_id;
    if (leased === undefined || expires_at_ms === undefined) return answer;
    const { rows } = await this.database.query<{ status: string; now: Date }>('SELECT status, clock_timestamp() AS now FROM reservation WHERE tenant = $1 AND reservation_id = $2', [submission.command.tenant, leased]);
    const [row] = rows;
    return withRemaining(answer, row !== undefined && ACTIVE.includes(row.status) ? expires_at_ms - row.now.getTime() : 0);
  }
}
