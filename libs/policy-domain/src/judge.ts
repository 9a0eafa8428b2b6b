import { capsAdmit } from '@exequatur/caps';
import type { DerivedFacts } from './derive-facts.js';
import { evaluate } from './evaluate.js';
import type { Policy } from './policy.js';
import { combine } from './ruling.js';
import type { Ruling } from './ruling.js';

/**
 * The verdict on a proposal: what `evaluate` says of its facts, unless the tool table found a fault or the recipients, which
 * stand in no facts because they are personal, are outside the caps. Only makes the answer stricter.
 */
export const judge = (policy: Policy, registered: ReadonlySet<string>, derived: DerivedFacts): Ruling => {
  const ruling = evaluate(policy, registered, derived.facts);
  if (ruling.verdict === 'DENY') return ruling;
  const { fault } = derived;
  const toolId = `tool:${derived.facts.tool.name}`;
  if (fault?.code === 'TOOL_NOT_ALLOWED') return stricter(ruling, toolId, 'deny', fault.code, fault.detail);
  if (ruling.verdict === 'QUARANTINE') return ruling;
  if (fault?.code === 'QUARANTINED_OUT_OF_BOUNDS') return stricter(ruling, toolId, 'quarantine', fault.code, fault.detail);
  const { recipients } = derived;
  const refusal = capsAdmit(ruling.caps, recipients === undefined ? {} : { recipients }, ['allowed_recipients']);
  return refusal === undefined ? ruling : stricter(ruling, ruling.rule_id, 'quarantine', 'QUARANTINED_OUT_OF_BOUNDS', 'A recipient is not among those the rule allows');
};

const stricter = (ruling: Ruling, id: string, decision: 'quarantine' | 'deny', code: NonNullable<Ruling['code']>, reason = 'The tool table does not allow this'): Ruling => ({
  ...combine([{ decision, id, code, reason }], decision, reason),
  ...(ruling.action_class === undefined ? {} : { action_class: ruling.action_class }),
  on_silence: ruling.on_silence,
});
