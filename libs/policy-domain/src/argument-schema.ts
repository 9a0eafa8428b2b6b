import type { JsonObject, JsonValue } from '@exequatur/kernel';

/** Says where arguments are not what their tool's schema asks for; undefined when they are. Never throws. */
export type ArgumentsCheck = (args: JsonValue) => { readonly pointer: string; readonly expected: string } | undefined;

/** The port to JSON Schema: local references only, bounded in size and depth, patterns without backtracking. */
export interface SchemaLanguage {
  compile(schema: JsonObject): { readonly check: ArgumentsCheck } | { readonly fault: string };
}

/** Longest schema of one tool's arguments, in characters of its canonical form. */
export const MAX_SCHEMA = 16_384;
