import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { PgEventStore, pipelined } from '@exequatur/event-store';
import { Answer, Batcher, Idempotency, Problem, Signer } from '@exequatur/service-kit';
import type { IdempotentScope } from '@exequatur/service-kit';
import { answerTo } from './authority-answers.js';
import type { AuthorityCommand, AuthorityOutcome } from './authority-command.js';
import { AuthorityMetrics } from './authority-metrics.js';
import { authorityLocks, RuntimeAuthority } from './runtime-authority.js';

/** A command over HTTP with the scope of its Idempotency-Key. */
export interface Submission {
  readonly command: AuthorityCommand;
  readonly scope: IdempotentScope;
  /** What a surface with words of its own says to an outcome; an Answer is kept under the key, a Problem is not. */
  readonly answer?: (outcome: AuthorityOutcome) => Answer | Problem;
}

/** The hot path: commands over HTTP, many to a transaction (architecture.md "The database is the arbiter" 5). */
@Injectable()
export class AuthorityBatches implements OnApplicationShutdown {
  private readonly batcher: Batcher<Submission, Answer | Problem>;

  constructor(
    private readonly store: PgEventStore,
    private readonly idempotency: Idempotency,
    private readonly authority: RuntimeAuthority,
    private readonly signer: Signer,
    private readonly metrics: AuthorityMetrics,
  ) {
    this.batcher = new Batcher({ name: 'authority', tenantOf: ({ command }) => command.tenant, run: (submissions) => this.run(submissions), onBatch: (size) => metrics.batched(size) });
    metrics.queue(() => this.batcher.depth);
  }

  /** The bytes to send, the same for the same key. @throws Problem BUSY, DEPENDENCY_DOWN, POLICY_NOT_YET_KNOWN, or of the idempotency key */
  async submit(submission: Submission): Promise<Answer> {
    const answer = await this.batcher.submit(submission);
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.batcher.close();
  }

  private async run(submissions: readonly Submission[]): Promise<readonly (Answer | Problem)[]> {
    const commands = submissions.map(({ command }) => command);
    const { answers, outcomes } = await this.store.transactAtOnce(authorityLocks(commands), async (tx) => {
      const [claims, locked] = await pipelined(this.idempotency.claimMany(tx, submissions.map(({ scope }) => scope)), this.authority.read(tx, commands));
      const fresh = submissions.filter((_, index) => claims[index]?.status === 'new');
      const outcomes = this.authority.decide(tx, fresh.map(({ command }) => command), locked);
      const made = new Map(fresh.map((submission, index) => [submission, this.answer(submission, outcomes[index])]));
      await this.idempotency.keepMany(tx, [...made].flatMap(([{ scope }, answer]) => (answer instanceof Answer ? [{ scope, kept: { answer } }] : [])));
      const answerAt = (index: number): Answer | Problem => {
        const [claim, submission] = [claims[index], submissions[index]];
        if (claim?.status === 'replay') return claim.replay;
        if (claim?.status === 'refused') return claim.problem;
        if (claim?.status === 'twin') return answerAt(claim.of);
        return (submission === undefined ? undefined : made.get(submission)) ?? new Problem('INTERNAL');
      };
      return { outcomes, answers: submissions.map((_, index) => answerAt(index)) };
    });
    // Counted once it is committed.
    for (const outcome of outcomes) this.metrics.decided(outcome);
    return answers;
  }

  private answer({ command, answer }: Submission, outcome: AuthorityOutcome | undefined): Answer | Problem {
    if (outcome === undefined) return new Problem('INTERNAL');
    return answer === undefined ? answerTo(command.tenant, outcome, this.signer) : answer(outcome);
  }
}
