import { MAX_POLICY_SOURCE } from '@exequatur/contracts';
import { pointerSteps } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Scalar } from 'yaml';

/** Both counted from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** YAML text as JSON, and where each of its values stands. `offset` counts characters into the text of a value. */
export type PolicyText =
  | { readonly ok: true; readonly value: JsonValue; readonly at: (pointer: string, offset?: number) => TextPlace }
  | { readonly ok: false; readonly faults: readonly ({ readonly message: string } & TextPlace)[] };

/**
 * YAML 1.2. Every syntax fault is told with its place. Anchors and aliases are refused: a policy says what it says where it
 * stands. What is longer than any policy could be published is not read at all.
 */
export const readPolicyText = (source: string): PolicyText => {
  if (source.length > MAX_POLICY_SOURCE) return { ok: false, faults: [{ message: `a policy file has at most ${MAX_POLICY_SOURCE} characters, this one has ${source.length}`, line: 1, column: 1 }] };
  const lines = new LineCounter();
  // logLevel silent would take the first document of several and drop the rest without a word.
  const document = parseDocument(source, { lineCounter: lines, version: '1.2', schema: 'core', strict: true, uniqueKeys: true, prettyErrors: false, logLevel: 'error' });
  const placeOf = (offset: number): TextPlace => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) return { ok: false, faults: document.errors.map(({ message, pos }) => ({ message, ...placeOf(pos[0]) })) };
  const value = plainValue(document);
  if (value === undefined) return { ok: false, faults: [{ message: 'anchors and aliases are not used in policy files', line: 1, column: 1 }] };
  return { ok: true, value, at: (pointer, offset) => placeOf(offsetOf(document, source, pointer, offset)) };
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
const offsetOf = (document: Document, source: string, pointer: string, inside: number | undefined): number => {
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
  return inside === undefined || !isScalar(node) ? offset : insideScalar(node, source, inside);
};

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

/** A character of a scalar's value in the source. Exact where the value stands in it as it is; else the scalar's beginning. */
const insideScalar = (scalar: Scalar, source: string, inside: number): number => {
  const start = scalar.range?.[0] ?? 0;
  const value = String(scalar.value);
  if (scalar.type === 'PLAIN' && source.startsWith(value, start)) return start + inside;
  if ((scalar.type === 'QUOTE_DOUBLE' || scalar.type === 'QUOTE_SINGLE') && source.startsWith(value, start + 1)) return start + 1 + inside;
  return scalar.type === 'BLOCK_LITERAL' ? insideBlock(source, start, value, inside) : start;
};

/** `when: |`: the lines below the header, without their indentation. */
const insideBlock = (source: string, start: number, value: string, inside: number): number => {
  const before = value.slice(0, inside);
  const line = before.split('\n').length;
  let at = start;
  for (let lines = 0; lines < line; lines += 1) at = source.indexOf('\n', at) + 1;
  const indentation = source.slice(at).length - source.slice(at).trimStart().length;
  return at + indentation + (inside - (before.lastIndexOf('\n') + 1));
};
