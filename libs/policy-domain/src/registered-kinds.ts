import { isGlob, matchesGlob } from './glob.js';
import type { Policy, PolicyClass, PolicyDecision } from './policy.js';
import { DECISIONS } from './policy.js';

/** Kinds that a policy names without a wildcard: in its tools, classes and rules. Sorted. Only these may be matched by globs. */
export const registeredKinds = (policy: Policy): readonly string[] => {
  const named = [
    ...Object.values(policy.tools).map(({ kind }) => kind),
    ...Object.values(policy.classes).flatMap(({ kinds }) => kinds),
    ...policy.rules.flatMap(({ match }) => match.kind ?? []),
  ];
  return [...new Set(named.filter((kind) => !isGlob(kind)))].sort();
};

/**
 * The policy with kinds that a person put into a class (ActionKindClassified) named there literally, so that one hash says
 * everything a verdict depends on. A kind the policy already puts into a class stays there; unknown classes are passed over.
 */
export const withClassifiedKinds = (policy: Policy, classified: ReadonlyMap<string, string>): Policy => {
  const literal = new Set(Object.values(policy.classes).flatMap(({ kinds }) => kinds.filter((kind) => !isGlob(kind))));
  const added = [...classified].filter(([kind]) => !literal.has(kind)).sort(([a], [b]) => (a < b ? -1 : 1));
  if (added.length === 0) return policy;
  const classes = Object.entries(policy.classes).map(([name, entry]): [string, PolicyClass] => [
    name,
    { ...entry, kinds: [...entry.kinds, ...added.filter(([, to]) => to === name).map(([kind]) => kind)] },
  ]);
  return { ...policy, classes: Object.fromEntries(classes) };
};

const strictness = (decision: PolicyDecision): number => DECISIONS.indexOf(decision);

/** The class of a registered kind: named literally first, then by glob; the strictest default where several match. */
export const classOf = (policy: Policy, kind: string): string | undefined => {
  const byStrictness = Object.keys(policy.classes).sort((a, b) => strictness(defaultOf(policy, b)) - strictness(defaultOf(policy, a)) || (a < b ? -1 : 1));
  const holds = (matches: (pattern: string) => boolean) => byStrictness.find((name) => policy.classes[name]?.kinds.some(matches));
  return holds((pattern) => pattern === kind) ?? holds((pattern) => isGlob(pattern) && matchesGlob(pattern, kind));
};

const defaultOf = (policy: Policy, name: string): PolicyDecision => policy.classes[name]?.default ?? 'deny';
