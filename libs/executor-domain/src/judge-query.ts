import { readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

/** When an answer of the tool means something: one of the statuses, and what stands at a JSON Pointer into its body. */
export interface QueryMatch {
  readonly status: readonly number[];
  readonly pointer?: string;
  /** The value at the pointer is one of these (texts, or numbers and booleans as text); left out: it is there and not null. */
  readonly values?: readonly string[];
  /** Nothing, or null, stands at the pointer. */
  readonly absent?: boolean;
}

/** How a connector reads a tool's answer to "did you carry out this effect key?". */
export interface QueryMapping {
  readonly executed: QueryMatch;
  readonly not_executed?: QueryMatch;
  /** Where the answer repeats the effect key: another one there makes it unclear. */
  readonly effect_key?: string;
  /** Where the tool's own id of the effect stands. */
  readonly provider_request_id?: string;
}

export interface ToolAnswer {
  readonly status: number;
  /** Undefined: no JSON. */
  readonly body?: JsonValue;
}

export type QueryVerdict = { readonly verdict: 'executed'; readonly providerRequestId?: string } | { readonly verdict: 'not_executed' } | { readonly verdict: 'unclear' };

/** Invariant 6: only a clear answer settles. What fits neither side, or both, or is about another effect is unclear. */
export const judgeQuery = (mapping: QueryMapping, effectKey: string, answer: ToolAnswer): QueryVerdict => {
  const executed = matches(mapping.executed, answer);
  const not = mapping.not_executed !== undefined && matches(mapping.not_executed, answer);
  if (executed === not) return { verdict: 'unclear' };
  if (not) return { verdict: 'not_executed' };
  if (mapping.effect_key !== undefined && textAt(answer, mapping.effect_key) !== effectKey) return { verdict: 'unclear' };
  const id = mapping.provider_request_id === undefined ? undefined : textAt(answer, mapping.provider_request_id);
  return { verdict: 'executed', ...(id === undefined ? {} : { providerRequestId: id }) };
};

const matches = ({ status, pointer, values, absent = false }: QueryMatch, answer: ToolAnswer): boolean => {
  if (!status.includes(answer.status)) return false;
  if (pointer === undefined) return true;
  // No JSON is no answer to a question about its content, not an absent one.
  if (answer.body === undefined) return false;
  const value = readPointer(answer.body, pointer);
  if (absent) return value === undefined || value === null;
  if (values === undefined) return value !== undefined && value !== null;
  const text = textAt(answer, pointer);
  return text !== undefined && values.includes(text);
};

const textAt = ({ body }: ToolAnswer, pointer: string): string | undefined => {
  const value = body === undefined ? undefined : readPointer(body, pointer);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};
