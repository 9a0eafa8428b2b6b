import { pgArray, pipelined, type PgTransaction } from '@exequatur/event-store';
import { sha256 } from '@exequatur/kernel';
import { openBytes, sealBytes, type KeyStore } from '@exequatur/sealing';
import type { Queryable } from '../database/database.js';
import { Answer } from '../http/answer.js';
import { NO_BYTES } from '../http/http-request.js';
import { Problem } from '../problem/problem.js';

/** Which request this is. One key may serve different operations, principals and tenants without meeting. */
export interface IdempotentScope {
  readonly tenant: string;
  /** `principalName(principal)` */
  readonly principal: string;
  /** A constant per route or command, e.g. `propose-action`. */
  readonly operation: string;
  /** Idempotency-Key header, 1 … 255 printable ASCII characters. */
  readonly key: string;
  /** SHA-256 of the input, 32 bytes: `inputHash(request)`, or of the signed body for messages. */
  readonly inputHash: Buffer;
}

export interface KeptAnswer {
  readonly answer: Answer;
  /** The body is sealed under this action's data key and becomes unreadable with its erasure. */
  readonly actionId?: string;
  /** That key, where the caller has it. */
  readonly actionKey?: Buffer;
  /** When the key may be used anew: 24 h past the action's end as the caller can tell; 24 h from now when left out. */
  readonly expiresAt?: Date;
}

/** `twin`: the same request stands earlier in the list, and its answer is the answer to both. */
export type Claim =
  | { readonly status: 'new' }
  | { readonly status: 'twin'; readonly of: number }
  | { readonly status: 'replay'; readonly replay: Answer }
  | { readonly status: 'refused'; readonly problem: Problem };

interface Row {
  scope: Buffer;
  input_hash: Buffer;
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  tenant: string;
  action_id: string | null;
}

const KEEP = `
WITH kept AS (
  INSERT INTO idempotency AS old (scope, input_hash, status, headers, body, tenant, action_id, expires_at)
  SELECT scope, input_hash, status, headers::json, body, tenant, action_id, expires_at
  FROM unnest($1::bytea[], $2::bytea[], $3::integer[], $4::text[], $5::bytea[], $6::text[], $7::uuid[], $8::timestamptz[]) AS new (scope, input_hash, status, headers, body, tenant, action_id, expires_at)
  ON CONFLICT (scope) DO UPDATE SET input_hash = excluded.input_hash, status = excluded.status, headers = excluded.headers, body = excluded.body,
    action_id = excluded.action_id, kept_at = clock_timestamp(), expires_at = excluded.expires_at
  WHERE old.expires_at <= clock_timestamp()
  RETURNING 1
) SELECT must(count(*) = $9, 'an idempotent answer was kept twice: claim it first') FROM kept`;

const EXPECT_NEW = `SELECT must(bool_and(pg_try_advisory_xact_lock(key)), 'a request with this idempotency key is under way') FROM unnest($1::bigint[]) AS wanted (key)`;

const KEEP_MS = 24 * 60 * 60 * 1_000;
const SWEEP_ROWS = 1_000;

const NEW: Claim = { status: 'new' };
const inFlight = (): Claim => ({ status: 'refused', problem: new Problem('IDEMPOTENCY_IN_FLIGHT', undefined, undefined, 1) });

/**
 * Answers by Idempotency-Key, claimed and kept in the transaction of their effect, so that effect and answer are both there
 * or neither. `claim` comes right after the stream locks (architecture.md "Lock order"), `keep` before the commit.
 */
export class Idempotency {
  private readonly hashes = new WeakMap<IdempotentScope, Buffer>();

  constructor(
    private readonly schema: string,
    private readonly keys: KeyStore,
  ) {}

  /** The first answer, or undefined when this is the first request. @throws Problem IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_FLIGHT */
  async claim(tx: Queryable, scope: IdempotentScope): Promise<{ replay: Answer } | undefined> {
    const [claim] = await this.claimMany(tx, [scope]);
    if (claim?.status === 'refused') throw claim.problem;
    return claim?.status === 'replay' ? { replay: claim.replay } : undefined;
  }

  /** One claim a scope, in order. A scope that stands twice in the list is the twin of the first, or its key is used for another input. */
  async claimMany(tx: Queryable, scopes: readonly IdempotentScope[]): Promise<readonly Claim[]> {
    if (scopes.length === 0) return [];
    const hashes = scopes.map((scope) => this.hashOf(scope));
    const [locked, rows] = await pipelined(
      this.lock(tx, hashes),
      // A statement of its own: its snapshot is younger than the locks, so it sees what their last holder committed.
      tx.query<Row>('SELECT scope, input_hash, status, headers, body, tenant, action_id FROM idempotency WHERE scope = ANY($1::bytea[]) AND expires_at > clock_timestamp()', [pgArray.bytea(hashes)]),
    );
    const kept = new Map(rows.rows.map((row) => [nameOf(row.scope), row]));
    const keys = await this.keysOf(rows.rows, (tenant, actions) => this.keys.actionKeys(tenant, actions, tx));
    const seen = new Map<string, number>();
    return scopes.map((scope, index) => {
      const name = nameOf(hashes[index] ?? NO_BYTES);
      const row = kept.get(name);
      const first = seen.get(name);
      if (first === undefined) seen.set(name, index);
      if (row !== undefined) return replayOf(scope, row, keys);
      if (first !== undefined) return twinOf(scope, scopes[first], first);
      return locked[index] === true ? NEW : inFlight();
    });
  }

  /**
   * In place of `claimMany`, for those who do not wait for the answer: distinct scopes that are most likely new. Where one is not,
   * because it is under way or, as `keepMany` finds out, was answered before, the transaction fails with class 23.
   */
  expectNew(tx: PgTransaction, scopes: readonly IdempotentScope[]): void {
    tx.send({ name: 'idempotency-expect-new', text: EXPECT_NEW, values: [pgArray.int8(scopes.map((scope) => lockKeyOf(this.hashOf(scope))))] });
  }

  async keep(tx: PgTransaction, scope: IdempotentScope, kept: KeptAnswer): Promise<void> {
    await this.keepMany(tx, [{ scope, kept }]);
  }

  /** Statuses 429 and 5xx are never kept: leave them out. A scope that was not claimed in this transaction makes its commit fail. */
  async keepMany(tx: PgTransaction, answers: readonly { readonly scope: IdempotentScope; readonly kept: KeptAnswer }[]): Promise<void> {
    if (answers.length === 0) return;
    const hashes = answers.map(({ scope }) => this.hashOf(scope));
    const unknown = answers.filter(({ kept }) => kept.actionKey === undefined);
    const keys = await this.keysOf(unknown.map(({ scope, kept }) => ({ tenant: scope.tenant, action_id: kept.actionId ?? null })), (tenant, actions) => this.keys.createActionKeys(tenant, actions, tx));
    const bodies = answers.map(({ scope, kept }, index) => {
      const key = kept.actionKey ?? (kept.actionId === undefined ? undefined : keys.get(actionName(scope.tenant, kept.actionId)));
      return key === undefined ? kept.answer.body : sealBytes(key, placeOf(hashes[index] ?? NO_BYTES), kept.answer.body);
    });
    const now = Date.now();
    tx.send({
      name: 'idempotency-keep',
      text: KEEP,
      values: [
        pgArray.bytea(hashes),
        pgArray.bytea(answers.map(({ scope }) => scope.inputHash)),
        pgArray.int4(answers.map(({ kept }) => kept.answer.status)),
        pgArray.text(answers.map(({ kept }) => JSON.stringify(kept.answer.headers))),
        pgArray.bytea(bodies),
        pgArray.text(answers.map(({ scope }) => scope.tenant)),
        pgArray.uuid(answers.map(({ kept }) => kept.actionId ?? null)),
        pgArray.timestamptz(answers.map(({ kept }) => kept.expiresAt?.getTime() ?? now + KEEP_MS)),
        answers.length,
      ],
    });
  }

  /** Deletes up to 1,000 expired answers. @returns how many */
  async sweep(db: Queryable): Promise<number> {
    const result = await db.query('DELETE FROM idempotency WHERE scope IN (SELECT scope FROM idempotency WHERE expires_at <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED)', [SWEEP_ROWS]);
    return result.rowCount ?? 0;
  }

  private async lock(tx: Queryable, hashes: readonly Buffer[]): Promise<readonly boolean[]> {
    const keys = hashes.map(lockKeyOf);
    const result = await tx.query<{ got: boolean }>('SELECT pg_try_advisory_xact_lock(key) AS got FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (key, place) ORDER BY place', [pgArray.int8(keys)]);
    return result.rows.map(({ got }) => got);
  }

  /** Of the schema too: advisory locks are the database's, and services share one. */
  private hashOf(scope: IdempotentScope): Buffer {
    const known = this.hashes.get(scope);
    if (known !== undefined) return known;
    const made = sha256(JSON.stringify([this.schema, scope.tenant, scope.principal, scope.operation, scope.key]));
    this.hashes.set(scope, made);
    return made;
  }

  /** Data keys of the actions named in the rows, a round trip a tenant. */
  private async keysOf(
    rows: readonly { readonly tenant: string; readonly action_id: string | null }[],
    ask: (tenant: string, actions: readonly string[]) => Promise<ReadonlyMap<string, Buffer>>,
  ): Promise<ReadonlyMap<string, Buffer>> {
    const actions = new Map<string, string[]>();
    for (const { tenant, action_id } of rows) if (action_id !== null) actions.set(tenant, [...(actions.get(tenant) ?? []), action_id]);
    const keys = new Map<string, Buffer>();
    for (const [tenant, ids] of actions) for (const [id, key] of await ask(tenant, ids)) keys.set(actionName(tenant, id), key);
    return keys;
  }
}

const twinOf = (scope: IdempotentScope, first: IdempotentScope | undefined, of: number): Claim =>
  first?.inputHash.equals(scope.inputHash) === true ? { status: 'twin', of } : { status: 'refused', problem: new Problem('IDEMPOTENCY_KEY_REUSED') };

const replayOf = (scope: IdempotentScope, row: Row, keys: ReadonlyMap<string, Buffer>): Claim => {
  if (!row.input_hash.equals(scope.inputHash)) return { status: 'refused', problem: new Problem('IDEMPOTENCY_KEY_REUSED') };
  if (row.action_id === null) return { status: 'replay', replay: new Answer(row.status, row.body, row.headers) };
  const key = keys.get(actionName(row.tenant, row.action_id));
  if (key === undefined) return { status: 'refused', problem: new Problem('CONFLICT', 'the first answer was erased together with its action') };
  return { status: 'replay', replay: new Answer(row.status, openBytes(key, placeOf(row.scope), row.body), row.headers) };
};

const lockKeyOf = (hash: Buffer): bigint => hash.readBigInt64BE(0);
const nameOf = (scope: Buffer): string => scope.toString('hex');
const placeOf = (scope: Buffer): string => `idempotent-answer/${nameOf(scope)}`;
const actionName = (tenant: string, actionId: string): string => JSON.stringify([tenant, actionId]);
