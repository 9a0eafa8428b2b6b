type Json = Readonly<Record<string, unknown>>;

/**
 * The first place where a value differs from a shape of contracts, as a JSON Pointer with what was expected; undefined when it
 * fits. Knows exactly the keywords that contracts/schema.ts writes, so that the verifier needs no schema library.
 */
export const shapeFault = (schema: Json, value: unknown, at = ''): string | undefined => {
  if (Array.isArray(schema['enum']) && !schema['enum'].includes(value)) return `${at || '/'} is none of the known words`;
  switch (schema['type']) {
    case undefined:
      return undefined;
    case 'string':
      return textFault(schema, value, at);
    case 'integer':
      return Number.isSafeInteger(value) && Number(value) >= bound(schema, 'minimum', -Infinity) && Number(value) <= bound(schema, 'maximum', Infinity) ? undefined : `${at} is no count in its bounds`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `${at} is neither true nor false`;
    case 'array':
      return listFault(schema, value, at);
    case 'object':
      return objectFault(schema, value, at);
    default:
      return `${at} has a shape this verifier does not know`;
  }
};

const bound = (schema: Json, keyword: string, otherwise: number): number => (typeof schema[keyword] === 'number' ? schema[keyword] : otherwise);

const patterns = new Map<string, RegExp>();
const patternOf = (text: string): RegExp => {
  const known = patterns.get(text) ?? new RegExp(text, 'u');
  patterns.set(text, known);
  return known;
};

const textFault = (schema: Json, value: unknown, at: string): string | undefined => {
  if (typeof value !== 'string') return `${at} is no text`;
  // Characters, as JSON Schema counts, are never more than code units.
  if (value.length > bound(schema, 'maxLength', Infinity) && [...value].length > bound(schema, 'maxLength', Infinity)) return `${at} is too long`;
  if (typeof schema['pattern'] === 'string' && !patternOf(schema['pattern']).test(value)) return `${at} is not written as it must be`;
  return undefined;
};

const listFault = (schema: Json, value: unknown, at: string): string | undefined => {
  if (!Array.isArray(value)) return `${at} is no list`;
  if (value.length > bound(schema, 'maxItems', Infinity)) return `${at} is too long`;
  return firstFault(value.map((entry, index) => () => shapeFault(schema['items'] as Json, entry, `${at}/${index}`)));
};

const objectFault = (schema: Json, value: unknown, at: string): string | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${at || '/'} is no object`;
  const fields = value as Json;
  const known = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>;
  const missing = ((schema['required'] ?? []) as readonly string[]).find((field) => !Object.hasOwn(fields, field));
  if (missing !== undefined) return `${at}/${missing} is missing`;
  if (Object.keys(fields).length > bound(schema, 'maxProperties', Infinity)) return `${at || '/'} has too many members`;
  return firstFault(
    Object.entries(fields).map(([field, content]) => () => {
      if (Object.hasOwn(known, field)) return shapeFault(known[field] as Json, content, `${at}/${field}`);
      const others = schema['additionalProperties'];
      if (typeof others === 'object' && others !== null) return shapeFault(others as Json, content, `${at}/${field}`);
      return others === false ? `${at}/${field.slice(0, 50)} is no known field` : undefined;
    }),
  );
};

const firstFault = (checks: readonly (() => string | undefined)[]): string | undefined => {
  for (const check of checks) {
    const fault = check();
    if (fault !== undefined) return fault;
  }
  return undefined;
};
