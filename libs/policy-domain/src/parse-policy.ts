import type { JsonValue } from '@exequatur/kernel';
import type { ConditionLanguage } from './condition.js';
import type { SchemaLanguage } from './argument-schema.js';
import { below, closedMapping, entriesOf, fault, isMapping, isPresent, startAt } from './findings.js';
import type { Finding, Place } from './findings.js';
import { isGlob } from './glob.js';
import { readClass } from './parse-class.js';
import { readLimits } from './parse-limits.js';
import { readRule } from './parse-rule.js';
import { readTool } from './parse-tool.js';
import type { Policy, PolicyClass, PolicyRule, PolicyTool } from './policy.js';
import { readName } from './values.js';

export type ParsedPolicy = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly findings: readonly Finding[] };

/** What conditions and argument schemas are written in: ports, since deciders know no package (libs/policy-languages). */
export interface PolicyLanguages {
  readonly conditions?: ConditionLanguage;
  readonly schemas?: SchemaLanguage;
}

const MAX_RULES = 1_000;

/**
 * Checks the structure of a policy file (contracts.md "Policy file (v1)") and brings it to normal form. Takes what a YAML
 * parser made of the text; every fault is told, each with the JSON Pointer of its place.
 * @param languages of conditions and argument schemas; what nobody brought is taken as it stands, and sets aside when judged
 */
export const parsePolicy = (document: JsonValue, languages: PolicyLanguages = {}): ParsedPolicy => {
  const root = startAt(document);
  if (!closedMapping(root, ['version', 'classes', 'tools', 'rules', 'limits'])) return { ok: false, findings: root.findings };
  if (below(root, 'version').value !== 1) fault(below(root, 'version'), 'must be 1');
  const limits = isPresent(below(root, 'limits')) ? readLimits(below(root, 'limits')) : undefined;
  const classes = readNamed<PolicyClass>(below(root, 'classes'), readClass);
  const tools = readNamed<PolicyTool>(below(root, 'tools'), (place) => readTool(place, languages.schemas));
  const rules = readRules(below(root, 'rules'), languages.conditions);
  checkKindsOnce(below(root, 'classes'), classes);
  checkReferences(below(root, 'rules'), rules, Object.keys(classes));
  return root.findings.length === 0 ? { ok: true, policy: { version: 1, classes, tools, rules: rules.map(([rule]) => rule), ...(limits === undefined ? {} : { limits }) } } : { ok: false, findings: root.findings };
};

const readNamed = <T>(place: Place, read: (place: Place) => T | undefined): Readonly<Record<string, T>> => {
  const entries: Record<string, T> = {};
  if (!isPresent(place) || !isMapping(place)) return entries;
  for (const key of Object.keys(place.value)) {
    if (readName({ ...below(place, key), value: key }) === undefined) continue;
    const entry = read(below(place, key));
    if (entry !== undefined) entries[key] = entry;
  }
  return entries;
};

const readRules = (place: Place, language: ConditionLanguage | undefined): readonly (readonly [PolicyRule, Place])[] => {
  const entries = entriesOf(place);
  if (entries.length > MAX_RULES) fault(place, `must have at most ${MAX_RULES} rules`);
  return entries.flatMap((entry) => {
    const rule = readRule(entry, language);
    return rule === undefined ? [] : [[rule, entry] as const];
  });
};

const checkKindsOnce = (place: Place, classes: Readonly<Record<string, PolicyClass>>): void => {
  const first = new Map<string, string>();
  for (const [name, { kinds }] of Object.entries(classes)) {
    for (const kind of kinds) {
      const other = first.get(kind);
      if (other !== undefined && other !== name && !isGlob(kind)) fault(below(below(place, name), 'kinds'), `${kind} is in class ${other} already`);
      first.set(kind, other ?? name);
    }
  }
};

const checkReferences = (place: Place, rules: readonly (readonly [PolicyRule, Place])[], classNames: readonly string[]): void => {
  const ids = rules.map(([{ id }]) => id);
  rules.forEach(([rule, entry], index) => {
    if (ids.indexOf(rule.id) !== index) fault(below(entry, 'id'), `there is another rule ${rule.id}`);
    if (rule.unless !== undefined && (rule.unless === rule.id || !ids.includes(rule.unless))) fault(below(entry, 'unless'), `there is no other rule ${rule.unless}`);
    for (const name of rule.match.class ?? []) if (!classNames.includes(name)) fault(below(below(entry, 'match'), 'class'), `there is no class ${name}`);
  });
  if (place.findings.length === 0 && rules.length === 0 && classNames.length === 0) fault({ ...place, steps: [] }, 'a policy has classes or rules');
};
