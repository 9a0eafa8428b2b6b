import { isCollection, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, YAMLMap } from 'yaml';

export interface DraftedRule {
  readonly kind: string;
  readonly className: string;
  /** what a rule of its own says; without it the class default holds */
  readonly decision?: 'allow' | 'require_approval' | 'quarantine' | 'deny';
}

/**
 * A policy file with a kind put into a class, and a rule for it where one is wanted. Comments and order stay as they are. A class
 * that is not there is made, and asks for approval until somebody says otherwise. Nothing is checked: the draft goes through the
 * same check as any other file.
 * @throws Error when the text is no YAML mapping
 */
export const draftRule = (source: string, { kind, className, decision }: DraftedRule): string => {
  const document = parseDocument(source, { version: '1.2', schema: 'core', logLevel: 'error' });
  if (document.errors.length > 0 || !isMap(document.contents)) throw new Error('the policy is no YAML mapping');
  const root = document.contents;
  addKind(document, mapIn(document, mapIn(document, root, 'classes'), className), kind);
  if (decision !== undefined) addRule(document, root, { id: `draft-${kind}`.slice(0, 128), match: { kind }, decision, reason: `Drafted when ${kind} was classified as ${className}` });
  return document.toString({ lineWidth: 140 });
};

const mapIn = (document: Document, parent: YAMLMap, key: string): YAMLMap => {
  const known = parent.get(key);
  if (isMap(known)) return known;
  const made = document.createNode({}) as YAMLMap;
  parent.set(key, made);
  return made;
};

const addKind = (document: Document, entry: YAMLMap, kind: string): void => {
  const kinds = entry.get('kinds', true) as unknown;
  const listed: readonly unknown[] = isSeq(kinds) ? kinds.items.map((item) => (isScalar(item) ? item.value : item)) : isScalar(kinds) ? [kinds.value] : [];
  if (listed.includes(kind)) return;
  if (isSeq(kinds)) kinds.add(document.createNode(kind));
  else entry.set('kinds', document.createNode([...listed, kind]));
  if (!entry.has('default')) entry.set('default', 'require_approval');
};

const addRule = (document: Document, root: YAMLMap, rule: object): void => {
  const rules = root.get('rules', true) as unknown;
  if (isSeq(rules)) rules.add(document.createNode(rule));
  else if (!isCollection(rules)) root.set('rules', document.createNode([rule]));
};
