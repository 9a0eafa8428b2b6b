import { parsePolicy } from '@exequatur/policy-domain';
import type { Finding, Policy } from '@exequatur/policy-domain';
import { pointerSteps } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';

/** A fault with its place in the text, both counted from 1. */
export interface LocatedFinding extends Finding {
  readonly line: number;
  readonly column: number;
}

export type PolicyFile = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly findings: readonly LocatedFinding[] };

/**
 * A policy from its YAML 1.2 text. Syntax faults are told alone, structural ones all at once; each with line and column.
 * Anchors and aliases are refused: a policy says what it says where it stands.
 */
export const readPolicyFile = (source: string): PolicyFile => {
  const lines = new LineCounter();
  // logLevel silent would take the first document of several and drop the rest without a word.
  const document = parseDocument(source, { lineCounter: lines, version: '1.2', schema: 'core', strict: true, uniqueKeys: true, prettyErrors: false, logLevel: 'error' });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [syntax] = document.errors;
  if (syntax !== undefined) return { ok: false, findings: [{ path: '', message: syntax.message, ...at(syntax.pos[0]) }] };
  const value = plainValue(document);
  if (value === undefined) return { ok: false, findings: [{ path: '', message: 'anchors and aliases are not used in policy files', line: 1, column: 1 }] };
  const parsed = parsePolicy(value);
  if (parsed.ok) return parsed;
  return { ok: false, findings: parsed.findings.map((finding) => ({ ...finding, ...at(offsetOf(document, finding.path)) })) };
};

/** maxAliasCount 0 makes the library throw on the first alias it would resolve. */
const plainValue = (document: Document): JsonValue | undefined => {
  try {
    return document.toJS({ maxAliasCount: 0 }) as JsonValue;
  } catch {
    return undefined;
  }
};

/** Where the value a pointer names begins, or its key; where the pointer ends in nothing, the nearest there is above it. */
const offsetOf = (document: Document, pointer: string): number => {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const step of pointerSteps(pointer) ?? []) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === step);
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
};

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);
