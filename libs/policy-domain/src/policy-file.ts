import type { JsonValue } from '@exequatur/kernel';
import type { Finding } from './findings.js';
import { parsePolicy } from './parse-policy.js';
import type { LayerKind, PolicyLanguages } from './parse-policy.js';
import type { Policy } from './policy.js';

/** A fault with its place in the text, both counted from 1. */
export interface LocatedFinding {
  readonly path: string;
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

export type PolicyFile = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly findings: readonly LocatedFinding[] };

type Place = Pick<LocatedFinding, 'line' | 'column'>;

/** The port to the text format: a value, and where each part of it stands (libs/policy-languages reads YAML). */
export type ReadText = (source: string) => { readonly ok: true; readonly value: JsonValue; readonly at: (pointer: string, offset?: number) => Place } | { readonly ok: false; readonly faults: readonly ({ readonly message: string } & Place)[] };

/** A policy from its text. Syntax faults are told alone, since nothing after them can be trusted; else every fault at once. */
export const policyFile = (source: string, readText: ReadText, languages: PolicyLanguages, layer?: LayerKind): PolicyFile => {
  const text = readText(source);
  if (!text.ok) return { ok: false, findings: text.faults.map((fault) => ({ path: '', ...fault })) };
  const parsed = parsePolicy(text.value, languages, layer);
  return parsed.ok ? parsed : { ok: false, findings: parsed.findings.map(({ path, message, offset }: Finding) => ({ path, message, ...text.at(path, offset) })) };
};
