import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { CODES } from '@exequatur/contracts';
import type { Caps, Code, ReserveRequest } from '@exequatur/contracts';
import { fromInstant, isJsonObject, parseStrict } from '@exequatur/kernel';
import type { Clock, JsonValue } from '@exequatur/kernel';
import { runtimeMs } from '@exequatur/executor-domain';
import type { Reserved } from '@exequatur/sdk';
import { CLOCK, LOGGER, serviceToken, Signer } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { Agent, request } from 'undici';
import { ExecutorConfig } from '../executor-config.js';
import { LIMITS } from '../limits.js';
import type { Lease } from './execution-leases.js';

/** What reservations said. `wait`: nothing is decided, the same attempt is asked again; `code` says why. */
export type ReservationAnswer =
  | { readonly kind: 'held'; readonly reservationId: string; readonly executeBy: number; readonly executeWithinMs: number; readonly caps: Caps }
  /** A stored ReservationRefused. */
  | { readonly kind: 'refused'; readonly code: Code; readonly retryable: boolean }
  | { readonly kind: 'wait'; readonly code: string };

/** Asks the runtime authority. Everything but a clear yes or a stored no means: nothing may run yet. */
@Injectable()
export class AskReservations implements OnApplicationShutdown {
  /** Of this app, not of the process. */
  private readonly connections = new Agent({ connections: 16 });

  constructor(
    private readonly config: ExecutorConfig,
    private readonly signer: Signer,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** One question an attempt: a repeated one, after a lost answer or a restart, gets the first one's answer. Never throws. */
  async ask(lease: Lease, stopping: AbortSignal): Promise<ReservationAnswer> {
    try {
      const { status, body } = await this.post('/v1/reservations', lease, AbortSignal.any([stopping, AbortSignal.timeout(LIMITS.askMs)]), { 'idempotency-key': `${lease.executionId}/${lease.attempt}` });
      const answer = answerOf(status, body);
      // Our own fault or the installation's: no authority comes of it, and an operator has to see it.
      if (answer.kind === 'wait' && status < 500 && status !== 429) this.log.error({ execution_id: lease.executionId, tenant: lease.tenant, status, code: answer.code }, 'reservations did not understand the executor');
      return answer;
    } catch (error) {
      if (!stopping.aborted) this.log.warn({ err: error, execution_id: lease.executionId, tenant: lease.tenant }, 'reservations did not answer');
      return { kind: 'wait', code: 'DEPENDENCY_DOWN' };
    }
  }

  /**
   * Why this use would be refused for good, were it claimed now; undefined when it would not. Nothing is set aside: it keeps
   * agents from queueing, and so from using up, what was not handed on to them. The claim itself is judged when it is made.
   */
  async wouldRefuse(use: UseAsked): Promise<Code | undefined> {
    try {
      const { status, body } = await this.post('/v1/decide', use, AbortSignal.timeout(LIMITS.askMs));
      return refusedFor(status, body);
    } catch (error) {
      this.log.warn({ err: error, grant_id: use.claims.grant_id, tenant: use.claims.tenant }, 'reservations did not answer');
      return 'DEPENDENCY_DOWN';
    }
  }

  private async post(path: string, use: UseAsked, signal: AbortSignal, more: Readonly<Record<string, string>> = {}): Promise<{ readonly status: number; readonly body: JsonValue }> {
    const token = serviceToken(this.signer, 'reservations', this.clock.now());
    const response = await request(`${this.config.RESERVATIONS_URL}${path}`, {
      method: 'POST',
      dispatcher: this.connections,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more },
      body: JSON.stringify(reserveRequest(use)),
      signal,
    });
    return { status: response.statusCode, body: parseStrict(await boundedBytes(response.body)) };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.connections.destroy();
  }
}

/** One use of a managed grant, by the grant's agent or a child's. */
export type UseAsked = Pick<Lease, 'claims' | 'grantJws' | 'useNo' | 'attempt' | 'agent' | 'delegationId'>;

/** A pure function of grant, use and attempt, so that the repeated question has the same bytes. */
export const reserveRequest = ({ claims, grantJws, useNo, attempt, agent, delegationId = claims.facts.delegation_id }: UseAsked): ReserveRequest => ({
  grant_id: claims.grant_id,
  grant: grantJws,
  use_no: useNo,
  agent,
  ...(delegationId === undefined ? {} : { delegation_id: delegationId }),
  execution_mode: 'managed',
  scope_path: claims.scope_path,
  run_id: claims.run_id,
  ...(claims.thread_id === undefined ? {} : { thread_id: claims.thread_id }),
  action_kind: claims.action_kind,
  tool: claims.tool,
  ...(claims.target_hash === undefined ? {} : { target_hash: claims.target_hash }),
  arguments_hash: claims.granted_arguments_hash,
  ...(claims.facts.environment === undefined ? {} : { environment: claims.facts.environment }),
  ttl_ms: runtimeMs(claims.caps) + LIMITS.holdMarginMs,
  attempt,
});

const boundedBytes = async (body: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LIMITS.askAnswerBytes) throw new Error('an answer of reservations is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** Refusals that reservations stored with an event; the rest of its problems leave nothing behind. */
const isStoredRefusal = (status: number, code: Code): boolean => CODES[code].group === 'authority' && status >= 400 && status < 500 && status !== 429;

export const answerOf = (status: number, body: JsonValue): ReservationAnswer => {
  if (!isJsonObject(body)) return { kind: 'wait', code: 'DEPENDENCY_DOWN' };
  if (status === 201) return heldOf(body as unknown as Partial<Reserved>);
  const code = body['code'];
  if (typeof code !== 'string' || !Object.hasOwn(CODES, code)) return { kind: 'wait', code: 'DEPENDENCY_DOWN' };
  const known = code as Code;
  return isStoredRefusal(status, known) ? { kind: 'refused', code: known, retryable: CODES[known].retryable } : { kind: 'wait', code: known };
};

/** Why a dry run says no for good. A refusal that is retryable is none: the use then waits, as every other use does. */
export const refusedFor = (status: number, body: JsonValue): Code | undefined => {
  if (status !== 200 || !isJsonObject(body)) return 'DEPENDENCY_DOWN';
  if (body['allowed'] === 'yes') return undefined;
  const code = body['code'];
  if (typeof code !== 'string' || !Object.hasOwn(CODES, code)) return 'DEPENDENCY_DOWN';
  return CODES[code as Code].retryable ? undefined : (code as Code);
};

const heldOf = ({ reservation_id, execute_by, execute_within_ms, caps }: Partial<Reserved>): ReservationAnswer => {
  if (typeof reservation_id !== 'string' || typeof execute_by !== 'string' || typeof execute_within_ms !== 'number' || typeof caps !== 'object') return { kind: 'wait', code: 'DEPENDENCY_DOWN' };
  return { kind: 'held', reservationId: reservation_id, executeBy: fromInstant(execute_by), executeWithinMs: execute_within_ms, caps };
};
