import { unitAmount } from '../caps.js';
import { defineEvent } from '../event.js';
import { tool } from '../facts.js';
import { count, hash, instant, list, name, object, oneOf, optional, text, uuid } from '../schema.js';
import type { Shape } from '../schema.js';

const executions = { context: 'executions', owner: 'executor', aggregate: 'execution', version: 1 } as const;
/** execution_id = effect key, derived from (tenant, grant_id, use_no), so that a restart asks for the same one */
const execution = { execution_id: uuid(), action_id: uuid(), grant_id: uuid(), use_no: count() };

export const evidenceSource = object({ uri: text(2_000), hash: optional(hash()) });
export type EvidenceSource = Shape<typeof evidenceSource>;

export const ExecutionRequested = defineEvent({
  ...executions,
  name: 'ExecutionRequested',
  summary: 'A managed grant arrived; the executor will ask to reserve.',
  data: object({
    ...execution,
    tool,
    expires_at: instant(),
    /** a use that a child agent asked for: the child, and the delegation of the grant that it asked under */
    child_agent: optional(name()),
    delegation_id: optional(uuid()),
  }),
});

export const ExecutionStarted = defineEvent({
  ...executions,
  name: 'ExecutionStarted',
  authority: true,
  summary: 'One worker took it, with a live reservation; the tool is called next.',
  data: object({ ...execution, reservation_id: uuid(), execute_by: instant() }),
});

export const ExecutionSucceeded = defineEvent({
  ...executions,
  name: 'ExecutionSucceeded',
  authority: true,
  summary: 'The tool confirmed the effect.',
  data: object({
    ...execution,
    reservation_id: uuid(),
    provider_request_id: optional(text(300)),
    actual: list(unitAmount, 20),
    /** SHA-256(salt ‖ bytes sent as arguments): equals granted_arguments_hash */
    executed_arguments_hash: hash(),
  }),
  sealed: object({ result: text(65_536) }),
});

export const ExecutionFailed = defineEvent({
  ...executions,
  name: 'ExecutionFailed',
  authority: true,
  summary: 'Provably no effect.',
  data: object({ ...execution, reservation_id: optional(uuid()), code: oneOf('EXECUTE_BY_PASSED', 'CONNECTOR_REFUSED', 'EGRESS_NOT_ALLOWED', 'CAP_EXCEEDED', 'PROVABLY_NOT_SENT') }),
  sealed: object({ result: text(65_536) }),
});

export const ExecutionUnknown = defineEvent({
  ...executions,
  name: 'ExecutionUnknown',
  authority: true,
  summary: 'The tool may or may not have acted; never retried by itself.',
  data: object({ ...execution, reservation_id: uuid(), code: oneOf('TIMED_OUT_UNKNOWN', 'CONNECTION_LOST_UNKNOWN') }),
});

export const ExecutionReconciled = defineEvent({
  ...executions,
  name: 'ExecutionReconciled',
  authority: true,
  summary: 'An unknown outcome was settled by a person or a tool query, with evidence.',
  data: object({ ...execution, reservation_id: uuid(), result: oneOf('executed', 'not_executed'), by: oneOf('person', 'tool_query'), person: optional(name()), provider_request_id: optional(text(300)) }),
  sealed: object({
    evidence: text(10_000),
    /** why the person settles it so */
    reason: optional(text(1_000)),
    /** where the evidence lies: a ticket, a statement, a record of the tool; with the hash of its content where it has one */
    references: optional(list(evidenceSource, 20)),
  }),
});

export const ExecutionSkipped = defineEvent({
  ...executions,
  name: 'ExecutionSkipped',
  authority: true,
  summary: 'The reservation was refused for good; nothing ran.',
  data: object({ ...execution, code: text(60) }),
});
