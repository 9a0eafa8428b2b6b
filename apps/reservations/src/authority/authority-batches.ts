import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { PgEventStore, pipelined } from '@exequatur/event-store';
import { Answer, Batcher, Idempotency, Problem, Signer } from '@exequatur/service-kit';
import type { IdempotentScope } from '@exequatur/service-kit';
import { answerTo } from './authority-answers.js';
import type { AuthorityCommand, AuthorityOutcome } from './authority-command.js';
import { AuthorityMetrics } from './authority-metrics.js';
import { authorityLocks, isRefuted, RuntimeAuthority } from './runtime-authority.js';

/** A command over HTTP with the scope of its Idempotency-Key. */
export interface Submission {
  readonly command: AuthorityCommand;
  readonly scope: IdempotentScope;
  /** What a surface with words of its own says to an outcome; an Answer is kept under the key, a Problem is not. */
  readonly answer?: (outcome: AuthorityOutcome) => Answer | Problem;
}

/** One batch is made while PostgreSQL runs the one before. */
const MAX_FLIGHTS = 2;

/** The hot path: commands over HTTP, many to a transaction (architecture.md "The database is the arbiter" 5). */
@Injectable()
export class AuthorityBatches implements OnApplicationShutdown {
  private readonly batcher: Batcher<Submission, Answer | Problem>;
  private readonly inFlight = new Set<Promise<unknown>>();
  /** Batches that are read, or wait for it. */
  private readonly reads = new Set<Promise<unknown>>();

  constructor(
    private readonly store: PgEventStore,
    private readonly idempotency: Idempotency,
    private readonly authority: RuntimeAuthority,
    private readonly signer: Signer,
    private readonly metrics: AuthorityMetrics,
  ) {
    this.batcher = new Batcher({ name: 'authority', maxFlights: MAX_FLIGHTS, tenantOf: ({ command }) => command.tenant, run: (submissions) => this.run(submissions), onBatch: (size) => metrics.batched(size) });
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
    // What is decided ahead of a read would not be what the read finds.
    while (this.reads.size > 0) await Promise.allSettled(this.reads);
    const { answers, outcomes } = (await this.runForeseen(submissions)) ?? (await this.runRead(submissions));
    // Counted once it is committed.
    for (const outcome of outcomes) this.metrics.decided(outcome);
    return answers;
  }

  /** One flight: what was decided before the transaction began, with what it rests on. Undefined where it cannot be or was not so; then nothing was written. */
  private async runForeseen(submissions: readonly Submission[]): Promise<Ran | undefined> {
    const scopes = submissions.map(({ scope }) => scope);
    if (!areDistinct(scopes)) return undefined;
    const commands = submissions.map(({ command }) => command);
    const decision = this.authority.foresee(commands);
    if (decision === undefined) return undefined;
    const { outcomes } = decision.decided;
    const answers = submissions.map((submission, index) => this.answer(submission, outcomes[index]));
    try {
      await this.flying(
        this.store.transactAtOnce(authorityLocks(commands), async (tx) => {
          this.idempotency.expectNew(tx, scopes);
          this.authority.sendForeseen(tx, decision);
          await this.idempotency.keepMany(tx, kept(scopes, answers));
        }),
      );
    } catch (error) {
      this.authority.forget(decision);
      if (!isRefuted(error)) throw error;
      this.authority.refuted();
      this.metrics.foreseen('refuted');
      return undefined;
    }
    this.authority.confirmed();
    this.metrics.foreseen('confirmed');
    return { answers, outcomes };
  }

  private async runRead(submissions: readonly Submission[]): Promise<Ran> {
    const read = this.read(submissions);
    this.reads.add(read);
    try {
      return await read;
    } finally {
      this.reads.delete(read);
    }
  }

  /** Two flights: what is decided on is read under its locks. */
  private async read(submissions: readonly Submission[]): Promise<Ran> {
    // After what is on its way, which has the locks; and one of the same key finds its answer.
    while (this.inFlight.size > 0) await Promise.allSettled(this.inFlight);
    const commands = submissions.map(({ command }) => command);
    return this.flying(
      this.store.transactAtOnce(authorityLocks(commands), async (tx) => {
        const [claims, locked] = await pipelined(this.idempotency.claimMany(tx, submissions.map(({ scope }) => scope)), this.authority.read(tx, commands));
        const fresh = submissions.filter((_, index) => claims[index]?.status === 'new');
        const { outcomes } = this.authority.decide(tx, fresh.map(({ command }) => command), locked);
        const made = new Map(fresh.map((submission, index) => [submission, this.answer(submission, outcomes[index])]));
        await this.idempotency.keepMany(tx, kept(fresh.map(({ scope }) => scope), [...made.values()]));
        const answerAt = (index: number): Answer | Problem => {
          const [claim, submission] = [claims[index], submissions[index]];
          if (claim?.status === 'replay') return claim.replay;
          if (claim?.status === 'refused') return claim.problem;
          if (claim?.status === 'twin') return answerAt(claim.of);
          return (submission === undefined ? undefined : made.get(submission)) ?? new Problem('INTERNAL');
        };
        return { outcomes, answers: submissions.map((_, index) => answerAt(index)) };
      }),
    );
  }

  private async flying<T>(transaction: Promise<T>): Promise<T> {
    this.inFlight.add(transaction);
    try {
      return await transaction;
    } finally {
      this.inFlight.delete(transaction);
    }
  }

  private answer({ command, answer }: Submission, outcome: AuthorityOutcome | undefined): Answer | Problem {
    if (outcome === undefined) return new Problem('INTERNAL');
    return answer === undefined ? answerTo(command.tenant, outcome, this.signer) : answer(outcome);
  }
}

interface Ran {
  readonly answers: readonly (Answer | Problem)[];
  readonly outcomes: readonly AuthorityOutcome[];
}

/** Two of one key in a batch are told apart from twins by what is read. */
const areDistinct = (scopes: readonly IdempotentScope[]): boolean => new Set(scopes.map(({ tenant, principal, operation, key }) => JSON.stringify([tenant, principal, operation, key]))).size === scopes.length;

/** Problems pass, so they are not kept. */
const kept = (scopes: readonly IdempotentScope[], answers: readonly (Answer | Problem)[]): Parameters<Idempotency['keepMany']>[1] =>
  scopes.flatMap((scope, index) => {
    const answer = answers[index];
    return answer instanceof Answer ? [{ scope, kept: { answer } }] : [];
  });
