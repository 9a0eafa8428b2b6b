import { isJsonObject } from '@exequatur/kernel';
import type { JsonObject, JsonValue } from '@exequatur/kernel';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { linearPattern } from './linear-pattern.js';

/** Nesting of a schema, and how many parts it may have. */
const MAX_DEPTH = 12;
const MAX_PARTS = 1_000;
/** Longest text that a pattern of a schema is tried on; longer texts do not match. */
const MAX_TRIED = 10_000;

type Compiled = { readonly check: (args: JsonValue) => { readonly pointer: string; readonly expected: string } | undefined } | { readonly fault: string };

/**
 * JSON Schema (2020-12) of a tool's arguments: local references only, no custom keywords, bounded in depth and size, and
 * patterns run by an engine that does not backtrack. A check never throws; what it cannot decide is refused.
 */
export const argumentSchemas = {
  compile: (schema: JsonObject): Compiled => {
    const fault = boundFault(schema);
    if (fault !== undefined) return { fault };
    try {
      return compiled(schema);
    } catch (error) {
      return { fault: `is not a JSON Schema: ${error instanceof Error ? error.message.split('\n')[0] : 'it cannot be read'}` };
    }
  },
};

/** A compiler keeps what it compiled, so it is replaced after as many schemas. Making one costs some 40 ms, hence not for each. */
const COMPILED_BY_ONE = 500;
let compiler: { readonly ajv: Ajv2020; used: number } | undefined;

/** Shared by schemas: they cannot see each other, since none has an id or refers to anything but its own definitions. */
const compilerNow = (): Ajv2020 => {
  if (compiler === undefined || compiler.used >= COMPILED_BY_ONE) {
    compiler = { ajv: new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: false, validateFormats: false, addUsedSchema: false, logger: false, code: { regExp: LINEAR } }), used: 0 };
  }
  compiler.used += 1;
  return compiler.ajv;
};

const compiled = (schema: JsonObject): Compiled => {
  const validate = compilerNow().compile(schema);
  return {
    check: (args) => {
      try {
        if (validate(args)) return undefined;
        const [error] = validate.errors ?? [];
        return { pointer: error?.instancePath ?? '', expected: error?.message ?? 'something else' };
      } catch {
        return { pointer: '', expected: 'arguments that can be checked' };
      }
    },
  };
};

const LINEAR = Object.assign(
  (source: string): { test: (text: string) => boolean; toString: () => string } => {
    const pattern = linearPattern(source);
    // ajv tells patterns apart by this text: without it every schema would get the pattern that was compiled first.
    return { toString: () => source, test: (text) => text.length <= MAX_TRIED && pattern.test(text) };
  },
  // ajv writes this into generated code only when asked for stand-alone code, which nothing here does.
  { code: 'undefined' },
);

/** Keywords that would let a schema reach outside itself, or cost more than its size says. */
const REFUSED = ['$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$recursiveAnchor', '$id', '$anchor', '$vocabulary', 'uniqueItems', 'format'];

const boundFault = (schema: JsonObject): string | undefined => {
  const open: { readonly part: JsonValue; readonly depth: number }[] = [{ part: schema, depth: 0 }];
  let parts = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { part, depth } = next;
    if (typeof part !== 'object' || part === null) continue;
    parts += 1;
    if (depth > MAX_DEPTH) return `must not be nested deeper than ${MAX_DEPTH}`;
    if (parts > MAX_PARTS) return `must have at most ${MAX_PARTS} parts`;
    if (isJsonObject(part)) {
      const refused = REFUSED.find((key) => Object.hasOwn(part, key) && typeof part[key] !== 'object');
      if (refused !== undefined) return `must not use ${refused}`;
      const reference = Object.hasOwn(part, '$ref') ? part['$ref'] : undefined;
      if (typeof reference === 'string' && !reference.startsWith('#/$defs/')) return 'must refer only to its own $defs';
    }
    for (const inner of Object.values(part)) open.push({ part: inner, depth: depth + 1 });
  }
  return isRecursive(schema) ? 'must not refer to itself' : undefined;
};

/** A definition that reaches itself makes a check as deep as the arguments: refused, so that a schema's size bounds its cost. */
const isRecursive = (schema: JsonObject): boolean => {
  const definitions = isJsonObject(schema['$defs']) ? schema['$defs'] : {};
  const reached = (part: JsonValue | undefined, path: readonly string[]): boolean => {
    if (typeof part !== 'object' || part === null) return false;
    const reference = isJsonObject(part) ? part['$ref'] : undefined;
    if (typeof reference === 'string') {
      const name = reference.slice('#/$defs/'.length);
      // Chains of definitions are bounded too: each may double the work of the one before.
      if (path.includes(name) || path.length >= 8) return true;
      if (reached(definitions[name], [...path, name])) return true;
    }
    return Object.values(part).some((inner) => reached(inner, path));
  };
  return Object.values(definitions).some((definition) => reached(definition, []));
};
