import { Injectable } from '@nestjs/common';
import { ServiceMetrics } from '@exequatur/service-kit';
import { Counter } from 'prom-client';
import type { AuthorityOutcome } from './authority-command.js';

/** What the authority said, for alerts: above all what people had approved and it still refused. */
@Injectable()
export class AuthorityMetrics {
  private readonly decisions: Counter;
  private readonly foresights: Counter;

  constructor(private readonly service: ServiceMetrics) {
    this.decisions = new Counter({
      name: 'exequatur_authority_decisions_total',
      help: 'Answers of the runtime authority: held, a settled status, or a refusal code. after_approval: people had approved it.',
      labelNames: ['answer', 'after_approval'],
      registers: [service.registry],
    });
    this.foresights = new Counter({
      name: 'exequatur_authority_foreseen_total',
      help: 'Batches decided before their transaction, on what was decided last: confirmed by the database, or refuted and read.',
      labelNames: ['result'],
      registers: [service.registry],
    });
  }

  foreseen(result: 'confirmed' | 'refuted'): void {
    this.foresights.inc({ result });
  }

  decided(outcome: AuthorityOutcome): void {
    switch (outcome.kind) {
      case 'reserved':
        this.decisions.inc(outcome.decision.held ? { answer: 'held', after_approval: 'false' } : { answer: outcome.decision.code, after_approval: String(outcome.decision.data.after_approval) });
        return;
      case 'settled':
        this.decisions.inc({ answer: outcome.reservation.status.toLowerCase(), after_approval: 'false' });
        return;
      case 'refused':
        this.decisions.inc({ answer: outcome.code, after_approval: 'false' });
    }
  }

  batched(size: number): void {
    this.service.batched('authority', size);
  }

  queue(depth: () => number): void {
    this.service.gauge('exequatur_authority_queue', 'Commands that wait for the next transaction.', depth);
  }
}
