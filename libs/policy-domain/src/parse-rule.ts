import { below, closedMapping, fault, isPresent } from './findings.js';
import type { Place } from './findings.js';
import { CONSEQUENCE_KEYS, readConsequence } from './parse-consequence.js';
import { DECISIONS } from './policy.js';
import type { PolicyMatch, PolicyRule } from './policy.js';
import { compact, maybe, readChoice, readKindPattern, readMany, readName, readScope } from './values.js';

export const readRule = (place: Place): PolicyRule | undefined => {
  if (!closedMapping(place, ['id', 'match', 'when', 'unless', 'decision', ...CONSEQUENCE_KEYS])) return undefined;
  if (isPresent(below(place, 'when'))) fault(below(place, 'when'), '"when" conditions (CEL) are not supported by this version; use match, unless, caps, or requires on a class');
  const id = readName(below(place, 'id'));
  const match = readMatch(below(place, 'match'));
  const decision = readChoice(below(place, 'decision'), DECISIONS);
  const unless = maybe(place, 'unless', readUnless);
  const consequence = readConsequence(place, decision);
  if (id === undefined || match === undefined || decision === undefined) return undefined;
  return compact({ ...consequence, id, match, unless, decision });
};

const MATCH_KEYS = ['kind', 'class', 'risk_tags', 'tenant', 'env', 'tool', 'agent', 'scope'] as const;

const readMatch = (place: Place): PolicyMatch | undefined => {
  if (!closedMapping(place, MATCH_KEYS)) return undefined;
  const names = (key: string) => maybe(place, key, (inner) => readMany(inner, readName));
  return compact({
    kind: maybe(place, 'kind', (inner) => readMany(inner, readKindPattern)),
    class: names('class'),
    risk_tags: names('risk_tags'),
    tenant: names('tenant'),
    env: names('env'),
    tool: names('tool'),
    agent: names('agent'),
    scope: maybe(place, 'scope', (inner) => readMany(inner, readScope)),
  });
};

const readUnless = (place: Place): string | undefined => (closedMapping(place, ['rule']) ? readName(below(place, 'rule')) : undefined);
