import { MAX_CONDITION } from './condition.js';
import type { ConditionLanguage } from './condition.js';
import { below, closedMapping, fault } from './findings.js';
import type { Place } from './findings.js';
import { CONSEQUENCE_KEYS, readConsequence, readRequirements } from './parse-consequence.js';
import { DECISIONS } from './policy.js';
import type { PolicyMatch, PolicyRule } from './policy.js';
import { compact, maybe, readChoice, readKindPattern, readMany, readName, readScope, readText, readToolPattern } from './values.js';

export const readRule = (place: Place, language: ConditionLanguage | undefined): PolicyRule | undefined => {
  if (!closedMapping(place, ['id', 'match', 'when', 'unless', 'requires', 'decision', ...CONSEQUENCE_KEYS])) return undefined;
  const id = readName(below(place, 'id'));
  const match = readMatch(below(place, 'match'));
  const when = maybe(place, 'when', (inner) => readCondition(inner, language));
  const decision = readChoice(below(place, 'decision'), DECISIONS);
  const unless = maybe(place, 'unless', readUnless);
  const requires = maybe(place, 'requires', (inner) => readRequirements(inner, decision, ['allow', 'allow_with_caps', 'require_approval']));
  const consequence = readConsequence(place, decision);
  if (id === undefined || match === undefined || decision === undefined) return undefined;
  return compact({ ...consequence, id, match, when, unless, requires, decision });
};

/** Compiled here only to tell its faults; the policy carries the text. */
const readCondition = (place: Place, language: ConditionLanguage | undefined): string | undefined => {
  const source = readText(place, MAX_CONDITION);
  if (source === undefined) return undefined;
  const compiled = language?.compile(source);
  if (compiled !== undefined && 'fault' in compiled) return fault(place, compiled.fault.message, compiled.fault.offset);
  return source;
};

const MATCH_KEYS = ['kind', 'class', 'topics', 'risk_tags', 'tenant', 'scope', 'env', 'tool', 'target', 'agent', 'data_labels'] as const;

const readMatch = (place: Place): PolicyMatch | undefined => {
  if (!closedMapping(place, MATCH_KEYS)) return undefined;
  const names = (key: string) => maybe(place, key, (inner) => readMany(inner, readName));
  return compact({
    kind: maybe(place, 'kind', (inner) => readMany(inner, readKindPattern)),
    class: names('class'),
    risk_tags: names('risk_tags'),
    tenant: names('tenant'),
    env: names('env'),
    tool: maybe(place, 'tool', (inner) => readMany(inner, readToolPattern)),
    agent: names('agent'),
    scope: maybe(place, 'scope', (inner) => readMany(inner, readScope)),
    topics: names('topics'),
    data_labels: names('data_labels'),
    target: maybe(place, 'target', (inner) => readMany(inner, (one) => readText(one, 1_000))),
  });
};

const readUnless = (place: Place): string | undefined => (closedMapping(place, ['rule']) ? readName(below(place, 'rule')) : undefined);
