import { below, closedMapping, fault, isPresent } from './findings.js';
import type { Place } from './findings.js';
import { CONSEQUENCE_KEYS, readConsequence } from './parse-consequence.js';
import { DECISIONS } from './policy.js';
import type { ClassRequirements, PolicyClass } from './policy.js';
import { compact, maybe, readAmounts, readChoice, readDuration, readKindPattern, readMany, readTruth, readWhole } from './values.js';

const MAX_KINDS = 5_000;

export const readClass = (place: Place): PolicyClass | undefined => {
  if (!closedMapping(place, ['kinds', 'default', 'requires', 'retention', 'on_silence', ...CONSEQUENCE_KEYS])) return undefined;
  const kinds = isPresent(below(place, 'kinds')) ? readMany(below(place, 'kinds'), readKindPattern, MAX_KINDS) : [];
  const decision = readChoice(below(place, 'default'), DECISIONS);
  const requires = maybe(place, 'requires', readRequirements);
  if (requires !== undefined && decision !== undefined && decision !== 'allow' && decision !== 'allow_with_caps') fault(below(place, 'requires'), `"requires" does nothing with ${decision}`);
  const onSilence = maybe(place, 'on_silence', (inner) => readChoice(inner, ['unknown', 'expire']));
  const consequence = readConsequence(place, decision);
  const retention = maybe(place, 'retention', readDuration);
  if (kinds === undefined || decision === undefined) return undefined;
  // Silence after a token was issued is unknown unless the class says that nothing can have happened.
  return compact({ ...consequence, kinds, default: decision, requires, retention_ms: retention, on_silence: onSilence ?? 'unknown' });
};

const readRequirements = (place: Place): ClassRequirements | undefined => {
  if (!closedMapping(place, ['evidence', 'reversal', 'max_risk_points', 'max_amount'])) return undefined;
  return compact({
    evidence: maybe(place, 'evidence', readTruth),
    reversal: maybe(place, 'reversal', readTruth),
    max_risk_points: maybe(place, 'max_risk_points', (inner) => readWhole(inner, 1_000_000)),
    max_amount: maybe(place, 'max_amount', readAmounts),
  });
};
