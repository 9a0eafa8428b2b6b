import type { JsonValue } from '@exequatur/kernel';
import { canonicalText } from '@exequatur/kernel';
import type { Policy } from './policy.js';

/** One named part of a policy that differs between two. */
export interface PolicyDifference {
  readonly part: 'class' | 'tool' | 'rule' | 'limits';
  readonly id: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What changed, by class, tool and rule; the order of rules means nothing, so it is not told. */
export const policyDiff = (before: Policy, after: Policy): readonly PolicyDifference[] => [
  ...partDiff('class', before.classes, after.classes),
  ...partDiff('tool', before.tools, after.tools),
  ...partDiff('rule', byId(before), byId(after)),
  ...partDiff('limits', limitsOf(before), limitsOf(after)),
];

const byId = ({ rules }: Policy): Readonly<Record<string, object>> => Object.fromEntries(rules.map((rule) => [rule.id, rule]));
const limitsOf = ({ limits }: Policy): Readonly<Record<string, object>> => Object.fromEntries(Object.entries(limits ?? {}).map(([name, value]) => [name, value as object]));

const partDiff = (part: PolicyDifference['part'], before: Readonly<Record<string, object>>, after: Readonly<Record<string, object>>): readonly PolicyDifference[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((id): PolicyDifference[] => {
    const was = Object.hasOwn(before, id) ? (before[id] as unknown as JsonValue) : undefined;
    const is = Object.hasOwn(after, id) ? (after[id] as unknown as JsonValue) : undefined;
    if (was === undefined) return is === undefined ? [] : [{ part, id, change: 'added', after: is }];
    if (is === undefined) return [{ part, id, change: 'removed', before: was }];
    return canonicalText(was) === canonicalText(is) ? [] : [{ part, id, change: 'changed', before: was, after: is }];
  });
