import type { Caps, Code, Proposal, ReserveRequest, StopReason, Tool, UnitAmount, Verdict } from '@exequatur/contracts';
import { ExequaturProblem } from './errors.js';
import { send } from './http.js';
import type { Call, HttpOptions } from './http.js';

/** Answer of `POST /v1/actions`. */
export interface Proposed {
  readonly action_id: string;
  readonly status: ActionStatus;
  readonly verdict: Verdict;
  readonly tier?: 'AUTO' | 'LOG';
  readonly code?: Code;
  readonly stop_reason?: StopReason;
  readonly rule_id: string;
  readonly reason: string;
  readonly instruction?: string;
  readonly policy_hash: string;
  readonly policy_version: number;
  readonly caps?: Caps;
  /** base64url; with it anyone who knows the arguments can recompute arguments_hash */
  readonly salt: string;
  readonly arguments_hash: string;
  readonly target_hash?: string;
  readonly action_hash: string;
  readonly grant_id?: string;
  readonly grant?: string;
  readonly approval_id?: string;
  readonly links: Readonly<Record<string, string>>;
}

export type ActionStatus = 'proposed' | 'awaiting_approval' | 'allowed' | 'granted' | 'denied' | 'quarantined' | 'rejected' | 'answered' | 'expired' | 'cancelled' | 'withdrawn' | 'reserved' | 'executing' | 'executed' | 'failed' | 'unknown' | 'released';

/** Answer of `GET /v1/actions/{id}` and `…/wait`. */
export interface ActionView {
  readonly action_id: string;
  readonly status: ActionStatus;
  readonly verdict: Verdict;
  readonly code?: Code;
  readonly stop_reason?: StopReason;
  readonly instruction?: string;
  readonly approval_id?: string;
  readonly grant_id?: string;
  readonly grant?: string;
  readonly caps?: Caps;
  /** what may run: as proposed, or as narrowed by the approver */
  readonly granted_arguments?: unknown;
  readonly granted_arguments_hash?: string;
  readonly target_hash?: string;
  /** base64url; absent once the action was erased */
  readonly salt?: string;
  /** the reviewer's text, when a person answered in place of the tool */
  readonly response?: string;
  readonly rejection?: { readonly reason_code: string; readonly reason: string; readonly instruction: string };
}

/** Answer of `POST /v1/reservations`. */
export interface Reserved {
  readonly reservation_id: string;
  readonly status: string;
  readonly grant_id: string;
  readonly use_no: number;
  readonly execution_id: string;
  /** RFC 3339 UTC by the authority's clock */
  readonly execute_by: string;
  /** counted from the first attempt of this request, on the caller's monotonic clock */
  readonly execute_within_ms: number;
  readonly expires_at: string;
  readonly caps: Caps;
  /** short-lived token a tool or gateway can check */
  readonly authorization?: string;
}

export interface ClientOptions extends Omit<HttpOptions, 'credential'> {
  /** one origin that serves everything (standalone), or one per service */
  readonly baseUrl: string | { readonly policy: string; readonly approvals: string; readonly reservations: string };
  /** the agent's key, `exq_agent_…` */
  readonly apiKey: string;
}

export interface OutcomeReport {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'UNKNOWN';
  readonly actual?: readonly UnitAmount[];
  readonly provider_request_id?: string;
}

/** A question of a reviewer. */
export interface Question {
  readonly question_id: string;
  readonly question: string;
  readonly answered: boolean;
}

/** A run parked beside the request that holds it up. */
export interface ParkedRun {
  readonly approval_id: string;
  readonly action_id: string;
  readonly run_id: string;
  readonly checkpoint_hash: string;
  readonly size_bytes: number;
  readonly stored_at: string;
}

/** What an agent can ask Exequatur. Every write takes an optional idempotencyKey; without one a fresh one is used per call. */
export class ExequaturClient {
  readonly #http: HttpOptions;
  readonly #urls: { policy: string; approvals: string; reservations: string };

  constructor(options: ClientOptions) {
    const { baseUrl, apiKey, ...http } = options;
    this.#http = { ...http, credential: apiKey };
    this.#urls = typeof baseUrl === 'string' ? { policy: baseUrl, approvals: baseUrl, reservations: baseUrl } : baseUrl;
  }

  propose(proposal: Proposal, idempotencyKey?: string): Promise<Proposed> {
    return this.#send({ method: 'POST', url: `${this.#urls.policy}/v1/actions`, body: proposal, ...keyed(idempotencyKey) });
  }

  action(actionId: string): Promise<ActionView> {
    return this.#send({ method: 'GET', url: `${this.#urls.policy}/v1/actions/${encodeURIComponent(actionId)}` });
  }

  /** Returns when the action leaves `awaiting_approval`, or with the current status when `timeoutMs` is up. */
  wait(actionId: string, timeoutMs = 30_000): Promise<ActionView> {
    const seconds = Math.max(1, Math.ceil(timeoutMs / 1_000));
    return this.#send({ method: 'GET', url: `${this.#urls.policy}/v1/actions/${encodeURIComponent(actionId)}/wait?timeout=${seconds}s`, timeoutMs: timeoutMs + 10_000 });
  }

  withdraw(actionId: string, reason: string, idempotencyKey?: string): Promise<ActionView> {
    return this.#send({ method: 'POST', url: `${this.#urls.policy}/v1/actions/${encodeURIComponent(actionId)}/withdraw`, body: { reason }, ...keyed(idempotencyKey) });
  }

  reserve(request: ReserveRequest, idempotencyKey?: string): Promise<Reserved> {
    return this.#send({ method: 'POST', url: `${this.#urls.reservations}/v1/reservations`, body: request, ...keyed(idempotencyKey) });
  }

  start(reservationId: string, idempotencyKey?: string): Promise<unknown> {
    return this.#settle(reservationId, 'start', {}, idempotencyKey);
  }

  outcome(reservationId: string, report: OutcomeReport, idempotencyKey?: string): Promise<unknown> {
    return this.#settle(reservationId, 'outcome', report, idempotencyKey);
  }

  commit(reservationId: string, actual: readonly UnitAmount[], idempotencyKey?: string): Promise<unknown> {
    return this.#settle(reservationId, 'commit', { actual }, idempotencyKey);
  }

  release(reservationId: string, reason: string, idempotencyKey?: string): Promise<unknown> {
    return this.#settle(reservationId, 'release', { reason }, idempotencyKey);
  }

  extend(reservationId: string, byMs: number, idempotencyKey?: string): Promise<unknown> {
    return this.#settle(reservationId, 'extend', { by_ms: byMs }, idempotencyKey);
  }

  /** What reviewers asked about a request of this agent. */
  async questions(approvalId: string): Promise<readonly Question[]> {
    return (await this.#send<{ readonly items: readonly Question[] }>({ method: 'GET', url: `${this.#approval(approvalId)}/questions` })).items;
  }

  /** Answers a question; the words stand in the reviewers' card as the agent's. */
  giveInformation(approvalId: string, questionId: string, answer: string, idempotencyKey?: string): Promise<unknown> {
    return this.#send({ method: 'POST', url: `${this.#approval(approvalId)}/give-information`, body: { question_id: questionId, answer }, ...keyed(idempotencyKey) });
  }

  /** A remark for reviewers, with its source and a score as decimal text from 0 to 1; never a vote. */
  annotate(approvalId: string, remark: { readonly text: string; readonly source?: string; readonly score?: string }, idempotencyKey?: string): Promise<unknown> {
    return this.#send({ method: 'POST', url: `${this.#approval(approvalId)}/annotate`, body: remark, ...keyed(idempotencyKey) });
  }

  /** Parks the run beside the request: opaque bytes up to 1 MiB, encrypted at rest. The newest counts; the same again changes nothing. */
  park(approvalId: string, checkpoint: Uint8Array): Promise<ParkedRun> {
    return this.#onceOpen(() => this.#send<ParkedRun>({ method: 'POST', url: `${this.#approval(approvalId)}/checkpoint`, bytes: checkpoint }));
  }

  /** What this agent parked of a run, oldest first. */
  async parked(runId: string): Promise<readonly ParkedRun[]> {
    return (await this.#send<{ readonly items: readonly ParkedRun[] }>({ method: 'GET', url: `${this.#urls.approvals}/v1/approvals/parked?run=${encodeURIComponent(runId)}` })).items;
  }

  /** The parked bytes; undefined when there are none, or the action was erased. */
  async checkpoint(approvalId: string): Promise<Uint8Array | undefined> {
    const { checkpoint } = await this.#send<{ readonly checkpoint: string | null }>({ method: 'GET', url: `${this.#approval(approvalId)}/checkpoint` });
    return checkpoint === null ? undefined : new Uint8Array(Buffer.from(checkpoint, 'base64url'));
  }

  /** Where a person decides about an approval. */
  approvalUrl(approvalId: string): string {
    return `${this.#urls.approvals}/approvals/${approvalId}`;
  }

  #approval(approvalId: string): string {
    return `${this.#urls.approvals}/v1/approvals/${encodeURIComponent(approvalId)}`;
  }

  /** A proposal is answered before its request stands in the queue: until then it is not found there. */
  async #onceOpen<T>(call: () => Promise<T>): Promise<T> {
    const until = performance.now() + OPENS_WITHIN_MS;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof ExequaturProblem) || error.code !== 'NOT_FOUND' || performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, OPENS_AGAIN_MS));
      }
    }
  }

  #settle(reservationId: string, step: string, body: unknown, idempotencyKey: string | undefined): Promise<unknown> {
    return this.#send({ method: 'POST', url: `${this.#urls.reservations}/v1/reservations/${encodeURIComponent(reservationId)}/${step}`, body, ...keyed(idempotencyKey) });
  }

  #send<T>(call: Call): Promise<T> {
    return send<T>(this.#http, call);
  }
}

const OPENS_WITHIN_MS = 10_000;
const OPENS_AGAIN_MS = 100;

const keyed = (idempotencyKey: string | undefined): { idempotencyKey?: string } => (idempotencyKey === undefined ? {} : { idempotencyKey });

export type { Caps, Proposal, ReserveRequest, Tool, UnitAmount, Verdict };
