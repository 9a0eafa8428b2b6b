import type { JsonValue } from '@exequatur/kernel';
import { canonicalText } from '@exequatur/kernel';
import { EMPTY_POLICY } from './policy.js';
import type { Policy } from './policy.js';

/** One named part of a policy that differs between two. */
export interface PolicyDifference {
  readonly part: 'class' | 'tool' | 'rule' | 'limits' | 'publication' | 'autonomy' | 'level' | 'layer';
  readonly id: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What changed, by class, tool and rule, in the tenant's own policy and in each layer (`organisation/…`); the order of rules means nothing, so it is not told. */
export const policyDiff = (before: Policy, after: Policy): readonly PolicyDifference[] => [
  ...ownDiff(before, after),
  ...layerNames(before, after).flatMap((name) => ownDiff(layerOf(before, name), layerOf(after, name)).map((one) => ({ ...one, id: `${name}/${one.id}` }))),
  ...partDiff('layer', scopesOf(before), scopesOf(after)),
  ...partDiff('level', levelsOf(before), levelsOf(after)),
];

const ownDiff = (before: Policy, after: Policy): readonly PolicyDifference[] => [
  ...partDiff('class', before.classes, after.classes),
  ...partDiff('tool', before.tools, after.tools),
  ...partDiff('rule', byId(before), byId(after)),
  ...partDiff('limits', partsOf(before.limits), partsOf(after.limits)),
  ...partDiff('publication', partsOf(before.publication), partsOf(after.publication)),
  ...partDiff('autonomy', partsOf(before.autonomy), partsOf(after.autonomy)),
];

const layerNames = (...policies: readonly Policy[]): readonly string[] => [...new Set(policies.flatMap(({ layers }) => (layers ?? []).map(({ name }) => name)))].sort();
const layerOf = ({ layers }: Policy, name: string): Policy => (layers ?? []).find((layer) => layer.name === name)?.policy ?? EMPTY_POLICY;
const scopesOf = ({ layers }: Policy): Parts => Object.fromEntries((layers ?? []).map(({ name, scope }) => [name, scope ?? 'everywhere']));
const levelsOf = ({ levels }: Policy): Parts => Object.fromEntries(Object.entries(levels ?? {}).flatMap(([agent, kinds]) => Object.entries(kinds).map(([kind, level]) => [`${agent} ${kind}`, level])));

type Parts = Readonly<Record<string, unknown>>;
const byId = ({ rules }: Policy): Parts => Object.fromEntries(rules.map((rule) => [rule.id, rule]));
const partsOf = (section: object | undefined): Parts => ({ ...section });

const partDiff = (part: PolicyDifference['part'], before: Parts, after: Parts): readonly PolicyDifference[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((id): PolicyDifference[] => {
    const was = Object.hasOwn(before, id) ? (before[id] as JsonValue) : undefined;
    const is = Object.hasOwn(after, id) ? (after[id] as JsonValue) : undefined;
    if (was === undefined) return is === undefined ? [] : [{ part, id, change: 'added', after: is }];
    if (is === undefined) return [{ part, id, change: 'removed', before: was }];
    return canonicalText(was) === canonicalText(is) ? [] : [{ part, id, change: 'changed', before: was, after: is }];
  });
