import {
  ActionDenied,
  ActionQuarantined,
  ApprovalAnswered,
  ApprovalCancelled,
  ApprovalExpired,
  ApprovalGranted,
  ApprovalRejected,
  FreezeApplied,
  FreezeLifted,
  FreezeQuiesced,
  GrantClosed,
  GrantRevoked,
  ReservationCommitted,
  ReservationExpired,
  ReservationMarkedUnknown,
  ReservationReleased,
  ReservationStarted,
} from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { Claim, EventLog } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';
import { paused } from './circuits.js';
import { absent, must, wrong } from './finding.js';
import type { Finding } from './finding.js';

/** 14. Nothing is claimed from a closed grant; what was refused or ran out has no grant; a revocation takes effect. */
export const final = (log: EventLog): readonly Finding[] => {
  const closed = log.indexed(GrantClosed, (data) => data.grant_id);
  const claims = log.claims.flatMap((claim) => {
    // Both times are the database's, read with the grant locked, so the later one is the later one.
    const end = closed.get(claim.data.grant_id)?.[0];
    return must(end === undefined || claim.timeMs <= end.timeMs, claim, 'claimed from a grant that was closed before');
  });
  const refusedActions = new Set([...log.of(ActionDenied), ...log.of(ActionQuarantined)].map(({ data }) => data.action_id));
  const ended = new Set([...log.of(ApprovalRejected), ...log.of(ApprovalAnswered), ...log.of(ApprovalExpired), ...log.of(ApprovalCancelled)].map(({ data }) => data.approval_id));
  const grants = [...log.grants.values()].flat().flatMap((event) => must(!refusedActions.has(event.grant.action_id), event, 'a grant for an action that policy denied or set aside'));
  const approvals = log.of(ApprovalGranted).flatMap((event) => must(!ended.has(event.data.approval_id), event, 'granted and also rejected, answered, expired or cancelled'));
  const revoked = log.of(GrantRevoked).flatMap((event) => (closed.has(event.data.grant_id) ? [] : [absent(event, 'revoked, and reservations never closed the grant')]));
  return [...claims, ...grants, ...approvals, ...revoked];
};

type Applied = LogEvent<DataOf<typeof FreezeApplied>>;

const covers = ({ data, tenant }: Applied, claim: Claim): boolean => {
  const { tool } = claim.data;
  switch (data.scope) {
    case 'tenant':
      return data.value === tenant;
    case 'agent':
      return data.value === claim.data.agent || claim.data.delegated_by?.includes(data.value) === true;
    case 'kind':
      return data.value === claim.data.action_kind;
    case 'tool':
      return data.value === tool.name || data.value === `${tool.name}@${tool.version}`;
    case 'grant':
      return data.value === claim.data.grant_id;
    case 'toolset':
      return tool.name === data.value || tool.name.startsWith(`${data.value}.`) || `/${claim.data.scope_path}/`.includes(`/toolset:${data.value}/`);
    case 'workflow':
      return `${claim.data.scope_path}/`.startsWith(`${data.value}/`);
    case 'run':
      return claim.data.run_id === data.value;
  }
};

/** 15. No claim in a frozen scope from the fence on, until it is lifted; none of an agent whose circuit is open, but probes. */
export const fenced = (log: EventLog): readonly Finding[] => [...frozen(log), ...paused(log)];

const frozen = (log: EventLog): readonly Finding[] => {
  const lifted = log.indexed(FreezeLifted, (data) => data.freeze_id);
  return log.of(FreezeApplied).flatMap((freeze) => {
    const from = freeze.data.fence_epoch;
    const until = lifted.get(freeze.data.freeze_id)?.[0]?.data.fence_epoch ?? Infinity;
    return log.claims
      .filter((claim) => covers(freeze, claim) && claim.data.fence_epoch >= from && claim.data.fence_epoch < until)
      .map((claim) => wrong(claim, `claimed under the ${freeze.data.scope} freeze ${freeze.data.freeze_id}`));
  });
};

/** 16. At quiesce every earlier claim has ended or is listed as unknown; nothing outside that list starts or ends later. */
export const quiesced = (log: EventLog): readonly Finding[] => {
  const applied = log.indexed(FreezeApplied, (data) => data.freeze_id);
  const ends = new Map([...log.of(ReservationCommitted), ...log.of(ReservationReleased), ...log.of(ReservationExpired)].map((end) => [end.data.reservation_id, end]));
  const starts = log.indexed(ReservationStarted, (data) => data.reservation_id);
  const unknown = new Set(log.of(ReservationMarkedUnknown).map(({ data }) => data.reservation_id));
  return log.of(FreezeQuiesced).flatMap((quiet) => {
    const freeze = applied.get(quiet.data.freeze_id)?.[0];
    if (freeze === undefined) return [absent(quiet, 'quiesced, and the freeze was never applied')];
    const listed = new Set(quiet.data.unknown_reservations);
    return log.claims
      .filter((claim) => covers(freeze, claim) && claim.data.fence_epoch < freeze.data.fence_epoch)
      .flatMap((claim) => {
        const id = claim.data.reservation_id;
        if (listed.has(id)) return must(unknown.has(id), quiet, `lists ${id} as unknown, which it never was`);
        const end = ends.get(id);
        const late = (starts.get(id) ?? []).filter((start) => start.timeMs > quiet.timeMs);
        return [
          ...(end === undefined ? [absent(quiet, `quiesced while ${id} had not ended`)] : must(end.timeMs <= quiet.timeMs, end, `ends after freeze ${quiet.data.freeze_id} was quiesced, which does not list it`)),
          ...late.map((start) => wrong(start, `starts after freeze ${quiet.data.freeze_id} was quiesced`)),
        ];
      });
  });
};
