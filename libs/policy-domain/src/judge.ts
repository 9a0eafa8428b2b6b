import { capsAdmit } from '@exequatur/caps';
import type { ConditionLanguage } from './condition.js';
import type { DerivedFacts } from './derive-facts.js';
import { evaluate } from './evaluate.js';
import type { Policy } from './policy.js';
import { combine } from './ruling.js';
import type { Ruling } from './ruling.js';

/**
 * The verdict on a proposal: what `evaluate` says of its facts, unless extraction found a fault or the recipients, which
 * stand in no facts because they are personal, are outside the caps. Only makes the answer stricter.
 */
export const judge = (policy: Policy, registered: ReadonlySet<string>, derived: DerivedFacts, language?: ConditionLanguage): Ruling => {
  const ruling = evaluate(policy, registered, derived.facts, language);
  if (ruling.verdict === 'DENY') return ruling;
  // Told before what the rules set aside: they judged facts that the fault left out.
  const { fault } = derived;
  if (fault !== undefined) return setAside(ruling, `tool:${derived.facts.tool.name}`, fault.detail ?? 'The action is not what its tool declares');
  if (ruling.verdict === 'QUARANTINE') return ruling;
  const { recipients } = derived;
  const refusal = capsAdmit(ruling.caps, recipients === undefined ? {} : { recipients }, ['allowed_recipients']);
  return refusal === undefined ? ruling : setAside(ruling, ruling.rule_id, 'A recipient is not among those the rule allows');
};

const setAside = (ruling: Ruling, id: string, reason: string): Ruling => ({
  ...combine([{ decision: 'quarantine', id, code: 'QUARANTINED_OUT_OF_BOUNDS', reason }], 'quarantine', reason),
  ...(ruling.action_class === undefined ? {} : { action_class: ruling.action_class }),
  on_silence: ruling.on_silence,
});
