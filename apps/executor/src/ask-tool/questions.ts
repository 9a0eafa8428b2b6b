import { Injectable } from '@nestjs/common';
import { RECONCILE_MARGIN_MS } from '@exequatur/executor-domain';
import { Database } from '@exequatur/service-kit';
import { ExecutorConfig } from '../executor-config.js';
import { LIMITS } from '../limits.js';

/** An unknown execution whose tool may be asked now. */
export interface Question {
  readonly tenant: string;
  readonly executionId: string;
  readonly tool: { readonly name: string; readonly version: string };
  readonly maxRuntimeMs: number;
}

interface QuestionRow {
  readonly [column: string]: unknown;
  readonly tenant: string;
  readonly execution_id: string;
  readonly tool_name: string;
  readonly tool_version: string;
  readonly max_runtime_ms: string;
}

/** Taking a question sets the time of the next one, so nothing is left behind by a crash and no two instances ask at once. */
const TAKE = `
WITH due AS (
  SELECT tenant, execution_id FROM execution WHERE status = 'unknown' AND ask_at <= statement_timestamp() ORDER BY ask_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE execution e SET asks = e.asks + 1,
  ask_at = CASE WHEN e.asks + 1 >= $2 THEN NULL ELSE clock_timestamp() + least($3 * power(2, e.asks), $4) * interval '1 millisecond' END
FROM due WHERE e.tenant = due.tenant AND e.execution_id = due.execution_id
RETURNING e.tenant, e.execution_id, e.tool_name, e.tool_version, e.max_runtime_ms`;

const HEARD = `UPDATE execution SET tool_said = $3 WHERE tenant = $1 AND execution_id = $2 AND status = 'unknown'`;
const NOBODY_TO_ASK = `UPDATE execution SET ask_at = NULL, tool_said = NULL WHERE tenant = $1 AND execution_id = $2 AND status = 'unknown'`;

/** It was too early to believe "not executed": asked again, not remembered, once nothing can still be running. */
const ASK_WHEN_OVER = `
UPDATE execution SET ask_at = execute_by + (max_runtime_ms + $3) * interval '1 millisecond', asks = greatest(asks - 1, 0)
WHERE tenant = $1 AND execution_id = $2 AND status = 'unknown'`;

/** Which unknown executions are asked about, and when again: doubling waits, a bounded number of times, then a person is left. */
@Injectable()
export class Questions {
  constructor(
    private readonly database: Database,
    private readonly config: ExecutorConfig,
  ) {}

  async take(): Promise<readonly Question[]> {
    const { rows } = await this.database.query<QuestionRow>(TAKE, [LIMITS.questionsAtOnce, LIMITS.questions, this.config.EXECUTOR_ASK_TOOL_MS, LIMITS.questionMostMs]);
    return rows.map(({ tenant, execution_id, tool_name, tool_version, max_runtime_ms }) => ({ tenant, executionId: execution_id, tool: { name: tool_name, version: tool_version }, maxRuntimeMs: Number(max_runtime_ms) }));
  }

  /** Of all tenants. */
  async countUnknown(): Promise<number> {
    const { rows } = await this.database.query<{ unknown: number } & Record<string, unknown>>("SELECT count(*)::integer AS unknown FROM execution WHERE status = 'unknown'");
    return rows[0]?.unknown ?? 0;
  }

  async heard({ tenant, executionId }: Question, what: string): Promise<void> {
    await this.database.query(HEARD, [tenant, executionId, what]);
  }

  async nobodyToAsk({ tenant, executionId }: Question): Promise<void> {
    await this.database.query(NOBODY_TO_ASK, [tenant, executionId]);
  }

  async askWhenOver({ tenant, executionId }: Question): Promise<void> {
    await this.database.query(ASK_WHEN_OVER, [tenant, executionId, RECONCILE_MARGIN_MS]);
  }
}
