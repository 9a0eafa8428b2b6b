import type { PolicyLimits, RunLimits } from '@exequatur/contracts';
import { formatAmount, parseAmount } from '@exequatur/kernel';
import type { AutonomyLevels } from './autonomy.js';
import type { Policy, PolicyLayer } from './policy.js';

/** What a published version is made of. */
export interface PolicyParts {
  /** the tenant's own */
  readonly own: Policy;
  readonly layers: readonly PolicyLayer[];
  readonly levels: AutonomyLevels;
}

/**
 * One policy of all parts, so that one hash covers them and whoever evaluates it needs nothing else. Parts stand in it as they
 * are; the order they are given in does not matter.
 */
export const composePolicy = ({ own, layers, levels }: PolicyParts): Policy => {
  const { layers: _layers, levels: _levels, ...policy } = own;
  return {
    ...policy,
    ...(layers.length === 0 ? {} : { layers: [...layers].sort((a, b) => (a.name < b.name ? -1 : 1)) }),
    ...(Object.keys(levels).length === 0 ? {} : { levels }),
  };
};

/** The tenant's own part of a composed policy. */
export const ownPolicy = (policy: Policy): Policy => composePolicy({ own: policy, layers: [], levels: {} });

/** Whether the version after this one takes a second person: once any part says so, no other takes it back. */
export const needsSecondPerson = (policy: Policy): boolean => [policy, ...(policy.layers ?? []).map((layer) => layer.policy)].some(({ publication }) => publication?.second_person === true);

/**
 * The limits that hold for the tenant as a whole: its own and those of the organisation, the smaller of two, every rule of
 * velocity. Overlays have none: reservations counts runs and velocity by tenant. The circuit's settings are the tenant's.
 */
export const limitsOf = (policy: Policy): PolicyLimits | undefined => {
  const above = (policy.layers ?? []).filter(({ scope, policy: { limits } }) => scope === undefined && limits !== undefined);
  if (above.length === 0) return policy.limits;
  const run = above.reduce<RunLimits | undefined>((limits, layer) => smallerRun(limits, layer.policy.limits?.run), policy.limits?.run);
  const velocity = [...(policy.limits?.velocity ?? []), ...above.flatMap((layer) => (layer.policy.limits?.velocity ?? []).map((rule) => ({ ...rule, id: `${layer.name}/${rule.id}` })))];
  return { ...policy.limits, ...(run === undefined ? {} : { run }), ...(velocity.length === 0 ? {} : { velocity }) };
};

const smallerRun = (a: RunLimits | undefined, b: RunLimits | undefined): RunLimits | undefined => {
  if (a === undefined || b === undefined) return a ?? b;
  const usd = [a.max_usd, b.max_usd].flatMap((amount) => (amount === undefined ? [] : [parseAmount(amount)]));
  const smallest = (key: 'max_steps' | 'max_tool_calls' | 'max_seconds'): RunLimits => {
    const given = [a[key], b[key]].filter((limit) => limit !== undefined);
    return given.length === 0 ? {} : { [key]: Math.min(...given) };
  };
  return {
    ...smallest('max_steps'),
    ...smallest('max_tool_calls'),
    ...smallest('max_seconds'),
    ...(usd.length === 0 ? {} : { max_usd: formatAmount(usd.reduce((least, amount) => (amount < least ? amount : least))) }),
  };
};
