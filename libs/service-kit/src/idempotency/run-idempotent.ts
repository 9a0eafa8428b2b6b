import { sha256 } from '@exequatur/kernel';
import { pipelined } from '@exequatur/event-store';
import type { Locks, PgTransaction } from '@exequatur/event-store';
import { NO_BYTES, type HttpRequest } from '../http/http-request.js';
import { Answer } from '../http/answer.js';
import { problem } from '../problem/problem.js';
import { principalName, type Principal } from '../identity/principal.js';
import type { Idempotency, IdempotentScope } from './idempotency.js';

const KEY = /^[\x21-\x7e]{1,255}$/;

/** The Idempotency-Key header. @throws Problem IDEMPOTENCY_KEY_REQUIRED, INVALID when it is not 1 … 255 printable ASCII characters */
export const requireIdempotencyKey = (request: HttpRequest): string => {
  const key = request.headers['idempotency-key'];
  if (key === undefined || key === '') return problem('IDEMPOTENCY_KEY_REQUIRED');
  if (typeof key !== 'string' || !KEY.test(key)) return problem('INVALID', 'Idempotency-Key must be 1 to 255 printable ASCII characters');
  return key;
};

/** SHA-256 over method, path with query, If-Match and the raw body: what makes two requests the same request. */
export const inputHash = (request: HttpRequest): Buffer =>
  sha256(Buffer.concat([Buffer.from(JSON.stringify([request.method, request.url, request.headers['if-match'] ?? '']), 'utf8'), request.rawBody ?? NO_BYTES]));

export interface IdempotentRun<Tx extends PgTransaction, Read> {
  readonly request: HttpRequest;
  readonly principal: Principal;
  /** The tenant acted in; the principal's own unless it is root or a service. */
  readonly tenant?: string;
  /** A constant per route, e.g. `revoke-grant`. */
  readonly operation: string;
  readonly locks: Locks;
  /** What `work` decides on: asked for together with the locks and the key, so it only reads. Left out, `work` reads by itself. */
  readonly read?: (tx: Tx) => Promise<Read>;
  /** Decides and writes. A throw rolls everything back and nothing is kept; a returned answer is, whatever its status below 500. */
  readonly work: (tx: Tx, read: Read) => Promise<IdempotentResult> | IdempotentResult;
}

export interface IdempotentResult {
  readonly status: number;
  /** Serialised once, here; a Buffer goes out as it is. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly actionId?: string;
  readonly expiresAt?: Date;
}

interface Transactions<Tx> {
  transactAtOnce<T>(locks: Locks, work: (tx: Tx) => Promise<T>): Promise<T>;
}

export const idempotentScope = (request: HttpRequest, principal: Principal, operation: string, tenant?: string): IdempotentScope => ({
  tenant: tenant ?? ('tenant' in principal ? principal.tenant : problem('INVALID', 'name the tenant')),
  principal: principalName(principal),
  operation,
  key: requireIdempotencyKey(request),
  inputHash: inputHash(request),
});

const answerOf = ({ status, body, headers }: IdempotentResult): Answer => (Buffer.isBuffer(body) ? new Answer(status, body, headers) : Answer.json(status, body, headers));

const NOTHING_READ = Promise.resolve(undefined);

/** What most POST routes are: lock, claim the key, decide and write, keep the answer, commit; or replay. */
export class IdempotentRequests<Tx extends PgTransaction = PgTransaction> {
  constructor(
    private readonly store: Transactions<Tx>,
    private readonly idempotency: Idempotency,
  ) {}

  /** The bytes to send: return it from the handler. @throws Problem */
  async run<Read = undefined>({ request, principal, tenant, operation, locks, read, work }: IdempotentRun<Tx, Read>): Promise<Answer> {
    const scope = idempotentScope(request, principal, operation, tenant);
    return this.store.transactAtOnce(locks, async (tx) => {
      const [claimed, facts] = await pipelined(this.idempotency.claim(tx, scope), read?.(tx) ?? (NOTHING_READ as Promise<Read>));
      if (claimed !== undefined) return claimed.replay;
      const result = await work(tx, facts);
      const answer = answerOf(result);
      await this.idempotency.keep(tx, scope, {
        answer,
        ...(result.actionId === undefined ? {} : { actionId: result.actionId }),
        ...(result.expiresAt === undefined ? {} : { expiresAt: result.expiresAt }),
      });
      return answer;
    });
  }
}
