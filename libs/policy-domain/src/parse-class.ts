import { below, closedMapping, isPresent } from './findings.js';
import type { Place } from './findings.js';
import { CONSEQUENCE_KEYS, readConsequence, readRequirements } from './parse-consequence.js';
import { DECISIONS } from './policy.js';
import type { PolicyClass } from './policy.js';
import { compact, maybe, readChoice, readDuration, readKindPattern, readMany } from './values.js';

const MAX_KINDS = 5_000;

export const readClass = (place: Place): PolicyClass | undefined => {
  if (!closedMapping(place, ['kinds', 'default', 'requires', 'retention', 'on_silence', ...CONSEQUENCE_KEYS])) return undefined;
  const kinds = isPresent(below(place, 'kinds')) ? readMany(below(place, 'kinds'), readKindPattern, MAX_KINDS) : [];
  const decision = readChoice(below(place, 'default'), DECISIONS);
  const requires = maybe(place, 'requires', (inner) => readRequirements(inner, decision, ['allow', 'allow_with_caps']));
  const onSilence = maybe(place, 'on_silence', (inner) => readChoice(inner, ['unknown', 'expire']));
  const consequence = readConsequence(place, decision);
  const retention = maybe(place, 'retention', readDuration);
  if (kinds === undefined || decision === undefined) return undefined;
  // Silence after a token was issued is unknown unless the class says that nothing can have happened.
  return compact({ ...consequence, kinds, default: decision, requires, retention_ms: retention, on_silence: onSilence ?? 'unknown' });
};
