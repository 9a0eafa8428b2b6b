import { ActionProposed, ApprovalGranted, ExecutionStarted, ExecutionSucceeded, ReservationCommitted, ReservationHeld, ReservationStarted } from '@exequatur/contracts';
import type { DataOf, Grant } from '@exequatur/contracts';
import { derivedId, fromInstant } from '@exequatur/kernel';
import type { Claim, EventLog, Granting } from '../log/event-log.js';
import { isEvent } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';
import { delegated } from './delegated.js';
import { absent, must, wrong } from './finding.js';
import type { Finding } from './finding.js';

/** 1. Each claim names exactly one grant of its chain. */
export const authorised = (log: EventLog): readonly Finding[] =>
  log.of(ReservationHeld).flatMap((held) => {
    if (held.data.purpose === 'budget_only') return must(held.data.grant_id === undefined && held.data.execution_id === undefined, held, 'a hold on budgets only names a grant or an execution');
    if (held.data.grant_id === undefined || held.data.use_no === undefined) return [wrong(held, 'a claim names no grant or no use of it')];
    const grants = log.grants.get(held.data.grant_id) ?? [];
    if (grants.length === 0) return [absent(held, `no approval and no allowance has granted ${held.data.grant_id}`)];
    if (grants.length > 1) return [wrong(held, `${grants.length} events grant ${held.data.grant_id}`)];
    return must(grants[0]?.grant.action_id === held.data.action_id, held, 'the claim names another action than its grant');
  });

/** Each claim with its one grant; where there is none, `authorised` says so. */
const granted = (log: EventLog, check: (claim: Claim, granting: Granting) => readonly Finding[]): readonly Finding[] =>
  log.claims.flatMap((claim) => {
    const granting = log.grantOf(claim);
    return granting === undefined ? [] : check(claim, granting);
  });

/** 2. Claimed while the grant lived, executed before execute_by. */
export const live = (log: EventLog): readonly Finding[] => [
  ...granted(log, (claim, { grant }) => [
    ...must(claim.timeMs < fromInstant(grant.expires_at), claim, `claimed at or after the grant's expiry ${grant.expires_at}`),
    ...must(claim.timeMs >= fromInstant(grant.not_before), claim, `claimed before the grant is valid, ${grant.not_before}`),
    ...must(claim.timeMs < fromInstant(claim.data.execute_by), claim, 'claimed at or after its own execute_by'),
    ...must(fromInstant(claim.data.execute_by) <= fromInstant(grant.expires_at), claim, 'execute_by lies behind the expiry of the grant'),
  ]),
  ...startedInTime(log),
];

const startedInTime = (log: EventLog): readonly Finding[] => {
  const held = log.indexed(ReservationHeld, (data) => data.reservation_id);
  const started = log.indexed(ExecutionStarted, (data) => data.execution_id);
  const late = log.of(ReservationStarted).filter(({ data }) => {
    const executeBy = held.get(data.reservation_id)?.[0]?.data.execute_by;
    // For the executor this is when reservations heard of it; its own ExecutionStarted is judged below.
    return data.attested_by === 'agent' && executeBy !== undefined && fromInstant(data.started_at) > fromInstant(executeBy);
  });
  const acted = log.of(ExecutionSucceeded).filter(({ data }) => {
    const start = started.get(data.execution_id)?.[0];
    return start !== undefined && start.timeMs > fromInstant(start.data.execute_by);
  });
  const moved = log.of(ExecutionStarted).filter(({ data }) => {
    const executeBy = held.get(data.reservation_id)?.[0]?.data.execute_by;
    return executeBy !== undefined && executeBy !== data.execute_by;
  });
  return [
    ...late.map((event) => wrong(event, 'the agent started after execute_by')),
    ...acted.map((event) => wrong(event, 'an effect that was started after execute_by')),
    ...moved.map((event) => wrong(event, 'the executor worked with another execute_by than its reservation')),
  ];
};

/** Fields that a claim repeats from its grant. */
const bindings = (grant: Grant, { data }: Claim): readonly (readonly [string, unknown, unknown])[] => [
  ['scope path', grant.scope_path, data.scope_path],
  ['run', grant.run_id, data.run_id],
  ['thread', grant.thread_id, data.thread_id],
  ['action kind', grant.action_kind, data.action_kind],
  ['tool', `${grant.tool.name} ${grant.tool.version}`, `${data.tool.name} ${data.tool.version}`],
  ['target', grant.target_hash, data.target_hash],
  // Of a bounded grant each use has arguments of its own, and one fixed part.
  grant.binding === 'bounded' ? ['fixed arguments', grant.fixed_hash, data.fixed_hash] : ['arguments', grant.granted_arguments_hash, data.granted_arguments_hash],
  ['execution mode', grant.execution_mode, data.execution_mode],
];

/** 3. What was proposed, granted, claimed and executed is one thing. */
export const bound = (log: EventLog): readonly Finding[] => [
  ...granted(log, (claim, { grant }) => [...delegated(log, claim, grant), ...bindings(grant, claim).flatMap(([field, ofGrant, ofClaim]) => must(ofGrant === ofClaim, claim, `the ${field} claimed is not the one granted`))]),
  ...grantsMatchProposals(log),
  ...executedWhatWasClaimed(log),
];

const grantsMatchProposals = (log: EventLog): readonly Finding[] => {
  const proposals = log.indexed(ActionProposed, (data) => data.action_id);
  return [...log.grants.values()].flat().flatMap((granting) => {
    const { grant } = granting;
    const proposal = proposals.get(grant.action_id)?.[0];
    if (proposal === undefined) return [absent(granting, `grants an action nobody proposed, ${grant.action_id}`)];
    const { facts } = proposal.data;
    const pairs: readonly (readonly [string, unknown, unknown])[] = [
      ['scope path', facts.scope_path, grant.scope_path],
      ['agent', facts.agent, grant.agent_identity],
      ['run', facts.run_id, grant.run_id],
      ['thread', proposal.data.thread_id, grant.thread_id],
      ['action kind', facts.action_kind, grant.action_kind],
      ['tool', `${facts.tool.name} ${facts.tool.version}`, `${grant.tool.name} ${grant.tool.version}`],
      ['target', proposal.data.target_hash, grant.target_hash],
      ['execution mode', facts.execution_mode, grant.execution_mode],
      ['arguments', proposal.data.arguments_hash, grant.arguments_hash],
    ];
    return [...pairs.flatMap(([field, proposed, ofGrant]) => must(proposed === ofGrant, granting, `the ${field} granted is not the one proposed`)), ...narrowingRecorded(granting)];
  });
};

const narrowingRecorded = (granting: Granting): readonly Finding[] => {
  const { grant } = granting;
  const changed = grant.granted_arguments_hash !== grant.arguments_hash;
  if (!isEvent(granting, ApprovalGranted)) return must(!changed, granting, 'an allowance of policy changes the arguments');
  const { data }: LogEvent<DataOf<typeof ApprovalGranted>> = granting;
  return [
    ...must(data.granted_arguments_hash === grant.granted_arguments_hash && data.arguments_hash === grant.arguments_hash, granting, 'the event and its signed grant name different arguments'),
    ...must(!changed || data.narrowed.length > 0, granting, 'other arguments than proposed are granted and no narrowing is recorded'),
  ];
};

const executedWhatWasClaimed = (log: EventLog): readonly Finding[] => {
  const held = log.indexed(ReservationHeld, (data) => data.reservation_id);
  const compare = (event: LogEvent, reservationId: string, executed: string | undefined): readonly Finding[] => {
    const claim = held.get(reservationId)?.[0];
    if (claim === undefined) return [absent(event, `no reservation ${reservationId} was held`)];
    return must(executed === undefined || executed === claim.data.granted_arguments_hash, event, 'other arguments were executed than were claimed');
  };
  return [
    ...log.of(ExecutionSucceeded).flatMap((event) => compare(event, event.data.reservation_id, event.data.executed_arguments_hash)),
    ...log.of(ReservationCommitted).flatMap((event) => compare(event, event.data.reservation_id, event.data.executed_arguments_hash)),
  ];
};

/** What all uses of a grant may hold together, by unit; a unit that is not named is not bounded. */
export const totalsOf = ({ total_points: points, total_amounts: amounts }: Grant): Readonly<Record<string, string>> =>
  Object.fromEntries([...(points === undefined ? [] : [['RISK_POINTS', String(points)]]), ...(amounts ?? []).map(({ unit, amount }) => [unit, amount])]);

/** 4. Uses are distinct, within 1..max, no more than max, and hold no more together than the grant's totals. */
export const uses = (log: EventLog): readonly Finding[] => {
  const taken = new Map<string, Set<number>>();
  const heldBy = new Map<string, Map<string, bigint>>();
  return granted(log, (claim, { grant }) => {
    const { grant_id: grantId, use_no: useNo } = claim.data;
    const used = taken.get(grantId) ?? new Set<number>();
    taken.set(grantId, used.add(useNo));
    const held = heldBy.get(grantId) ?? new Map<string, bigint>();
    heldBy.set(grantId, held);
    // A use holds the same on each budget of its path, and counts once.
    for (const [unit, amount] of new Map(claim.data.holds.map((hold) => [hold.unit, hold.amount]))) held.set(unit, (held.get(unit) ?? 0n) + BigInt(amount));
    return [
      ...must(useNo >= 1 && useNo <= grant.max_uses, claim, `use ${useNo} of a grant for ${grant.max_uses}`),
      ...must(used.size <= grant.max_uses, claim, `${used.size} uses of a grant for ${grant.max_uses}`),
      ...Object.entries(totalsOf(grant)).flatMap(([unit, total]) => must((held.get(unit) ?? 0n) <= BigInt(total), claim, `${held.get(unit)} ${unit} are claimed of a grant for ${total} altogether`)),
    ];
  });
};

/** 5. At most one claim per (grant, use), one execution per effect key, and the key is the one that both derive. */
export const atMostOnce = (log: EventLog): readonly Finding[] => {
  const keys = new Set<string>();
  const claims = log.claims.flatMap((claim) => {
    const { grant_id: grantId, use_no: useNo, execution_id: executionId } = claim.data;
    const key = `${grantId}/${useNo}`;
    const again = keys.has(key);
    keys.add(key);
    return [
      ...must(!again, claim, `use ${useNo} of grant ${grantId} is claimed twice`),
      ...must(executionId === derivedId('execution', claim.tenant, grantId, String(useNo)), claim, 'the execution id does not follow from tenant, grant and use'),
    ];
  });
  const starts = new Map<string, number>();
  const executions = [...log.of(ExecutionStarted), ...log.of(ExecutionSucceeded)].flatMap((event) => {
    const key = `${event.type} ${event.data.execution_id}`;
    const count = (starts.get(key) ?? 0) + 1;
    starts.set(key, count);
    return [
      ...must(count === 1, event, `execution ${event.data.execution_id} ${isEvent(event, ExecutionStarted) ? 'is started' : 'has succeeded'} twice`),
      ...must(event.data.execution_id === derivedId('execution', event.tenant, event.data.grant_id, String(event.data.use_no)), event, 'the execution id does not follow from tenant, grant and use'),
    ];
  });
  return [...claims, ...executions];
};
