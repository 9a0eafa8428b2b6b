import { ApprovalGranted, ApprovalOpened, ApprovalRequired, ActionAllowed, ActionCapped, PolicyInForce, PolicyPublished, PolicyRolledBack, ApprovalVoted } from '@exequatur/contracts';
import { amountIn, capsContain } from '@exequatur/caps';
import type { Grant } from '@exequatur/contracts';
import { isEvent } from '../log/event-log.js';
import type { EventLog, Granting } from '../log/event-log.js';
import { totalsOf } from './authority.js';
import { absent, must, wrong } from './finding.js';
import type { Finding } from './finding.js';

/** 13. One policy from verdict to grant; a claim is judged by the version in force, the same or evaluated again. */
export const policyPinned = (log: EventLog): readonly Finding[] => [...versionsAreWhatTheySay(log), ...verdictToGrant(log), ...claimsUnderTheActive(log)];

const versionsAreWhatTheySay = (log: EventLog): readonly Finding[] => {
  const published = [...log.of(PolicyPublished), ...log.of(PolicyRolledBack)];
  const byVersion = new Map<number, string>();
  return [
    ...published.flatMap((event) => {
      const { policy_version: version, policy_hash: hash } = event.data;
      const twice = byVersion.has(version);
      byVersion.set(version, hash);
      return [...must(event.canonicalHash === hash, event, 'the policy hash is not the hash of the policy'), ...must(!twice, event, `policy version ${version} is published twice`)];
    }),
    ...log.of(PolicyInForce).flatMap((event) => {
      const hash = byVersion.get(event.data.policy_version);
      if (hash === undefined) return [absent(event, `policy version ${event.data.policy_version} is in force and was never published`)];
      return must(hash === event.data.policy_hash, event, `policy version ${event.data.policy_version} is in force with another hash than it was published with`);
    }),
  ];
};

const verdictToGrant = (log: EventLog): readonly Finding[] => {
  const required = log.indexed(ApprovalRequired, (data) => data.approval_id);
  const opened = log.indexed(ApprovalOpened, (data) => data.approval_id);
  const granted = log.indexed(ApprovalGranted, (data) => data.approval_id);
  const requests = log.of(ApprovalOpened).flatMap((event) => {
    // Planted by a person, with nothing behind it: then no authority may ever come of it.
    if (event.data.canary !== undefined) return must(granted.get(event.data.approval_id) === undefined && required.get(event.data.approval_id) === undefined, event, 'a planted request became authority');
    const verdict = required.get(event.data.approval_id)?.[0];
    if (verdict === undefined) return [absent(event, 'a request that policy did not ask for')];
    return must(verdict.data.policy_hash === event.data.policy_hash && verdict.data.policy_version === event.data.policy_version, event, 'the request names another policy than the verdict');
  });
  const grants = [...log.grants.values()].flat().flatMap((event) => {
    const { policy_hash: hash, policy_version: version } = isEvent(event, ApprovalGranted) ? (opened.get(event.data.approval_id)?.[0]?.data ?? event.grant) : (event.data as { policy_hash: string; policy_version: number });
    return must(hash === event.grant.policy_hash && version === event.grant.policy_version, event, 'the grant names another policy than the decision it comes from');
  });
  return [...requests, ...grants];
};

const claimsUnderTheActive = (log: EventLog): readonly Finding[] => {
  const inForce = [...log.of(PolicyInForce)].sort((a, b) => a.data.fence_epoch - b.data.fence_epoch);
  return log.claims.flatMap((claim) => {
    const active = inForce.filter(({ data }) => data.fence_epoch <= claim.data.fence_epoch).at(-1);
    if (active === undefined) return [absent(claim, `no policy was in force at fence epoch ${claim.data.fence_epoch}`)];
    const underActive = must(active.data.policy_version === claim.data.policy_version && active.data.policy_hash === claim.data.policy_hash, claim, `judged under policy version ${claim.data.policy_version}, while ${active.data.policy_version} was in force`);
    const granting = log.grantOf(claim);
    if (granting === undefined) return underActive;
    const same = granting.grant.policy_hash === claim.data.policy_hash;
    return [...underActive, ...(same || claim.data.policy_result === 're_evaluated' ? [] : [wrong(claim, 'policy changed since the grant and was not evaluated again')])];
  });
};

/** 17. Claim ⊆ grant ⊆ what policy and every voter set; amounts as granted; usage inside the caps. */
export const narrowed = (log: EventLog): readonly Finding[] => {
  const required = log.indexed(ApprovalRequired, (data) => data.approval_id);
  const votes = log.indexed(ApprovalVoted, (data) => data.approval_id);
  const outerOf = (event: Granting): readonly Parameters<typeof capsContain>[0][] => {
    if (isEvent(event, ActionCapped)) return [event.data.caps];
    if (isEvent(event, ActionAllowed) || !isEvent(event, ApprovalGranted)) return [];
    const ofVotes = (votes.get(event.data.approval_id) ?? []).filter(({ id }) => event.data.vote_event_ids.includes(id));
    return [required.get(event.data.approval_id)?.[0]?.data.caps ?? {}, ...ofVotes.map(({ data }) => data.caps ?? {})];
  };
  const mayVary = (event: Granting): boolean => {
    if (!isEvent(event, ApprovalGranted)) return true;
    const asked = required.get(event.data.approval_id)?.[0]?.data.varies ?? [];
    const ofVotes = (votes.get(event.data.approval_id) ?? []).filter(({ id }) => event.data.vote_event_ids.includes(id));
    return (event.grant.bounded ?? []).every(({ pointer }) => asked.some((one) => one.pointer === pointer) && ofVotes.every(({ data }) => data.varies?.includes(pointer) !== false));
  };
  const grants = [...log.grants.values()].flat().flatMap((event) => [
    ...must(mayVary(event), event, 'arguments may differ from use to use that policy, or a vote, does not let differ'),
    ...must(outerOf(event).every((outer) => capsContain(outer, event.grant.caps)), event, 'the grant is wider than the caps it was given under'),
    ...must(event.grant.caps.max_uses === undefined || event.grant.max_uses <= event.grant.caps.max_uses, event, 'more uses are granted than the caps allow'),
    ...must(capsContain({ ...(event.grant.caps.max_total === undefined ? {} : { max_total: event.grant.caps.max_total }) }, { max_total: totalsOf(event.grant) }), event, 'more is granted across uses than the caps allow'),
  ]);
  const claims = log.claims.flatMap((claim) => {
    const granting = log.grantOf(claim);
    if (granting === undefined) return [];
    const { grant } = granting;
    const granted = new Map([['RISK_POINTS', BigInt(grant.risk_points)]]);
    for (const { unit, amount } of grant.amounts) granted.set(unit, (granted.get(unit) ?? 0n) + BigInt(amount));
    const differing = differingUnits(grant);
    const unheld = [...granted].filter(([unit, amount]) => amount > 0n && !differing.has(unit) && !claim.data.holds.some((hold) => hold.unit === unit));
    return [
      ...must(capsContain(grant.caps, claim.data.caps), claim, 'the claim is wider than its grant'),
      ...claim.data.holds.flatMap((hold) => must(isAsGranted(BigInt(hold.amount), granted.get(hold.unit), differing.has(hold.unit)), claim, `${hold.amount} ${hold.unit} are held where ${granted.get(hold.unit)} were granted`)),
      ...unheld.map(([unit]) => wrong(claim, `nothing is held of the granted ${unit}`)),
      ...claim.data.holds.flatMap((hold) => must(BigInt(claim.data.caps.max_amount?.[hold.unit] ?? hold.amount) >= BigInt(hold.amount), claim, `more ${hold.unit} is held than the caps allow`)),
    ];
  });
  return [...grants, ...claims];
};

/** Units of which each use of a bounded grant holds what it asks for. */
const differingUnits = ({ bounded }: Grant): ReadonlySet<string> => new Set((bounded ?? []).flatMap(({ unit }) => (unit === undefined ? [] : (amountIn('0', unit)?.unit ?? []))));

const isAsGranted = (held: bigint, granted: bigint | undefined, differs: boolean): boolean => granted === undefined || (differs ? held <= granted : held === granted);
