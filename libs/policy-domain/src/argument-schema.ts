import type { JsonObject, JsonValue } from '@exequatur/kernel';

/** Says where arguments are not what their tool's schema asks for; undefined when they are. Never throws. */
export type ArgumentsCheck = (args: JsonValue) => { readonly pointer: string; readonly expected: string } | undefined;

/** What an expression finds in the arguments; undefined when it cannot be evaluated on them. Never throws, and takes bounded time. */
export type ArgumentsReader = (args: JsonValue) => JsonValue | undefined;

/** The port to what judges and reads arguments. JSON Schema: local references only, bounded in size and depth, patterns without backtracking. */
export interface SchemaLanguage {
  compile(schema: JsonObject): { readonly check: ArgumentsCheck } | { readonly fault: string };
  /** of an expression over `arguments` (libs/policy-languages: CEL); absent where nobody brought one, and then none can be evaluated */
  extractor?(source: string): { readonly read: ArgumentsReader } | { readonly fault: string };
}

/** An extractor is a JSON Pointer, or `=` and an expression. */
export const isExpression = (source: string): boolean => source.startsWith('=');

/** Longest schema of one tool's arguments, in characters of its canonical form. */
export const MAX_SCHEMA = 16_384;
