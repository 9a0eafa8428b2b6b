import type { Authorization } from '@exequatur/contracts';
import { authorizationShape } from '@exequatur/contracts';
import type { JsonObject, JsonValue } from '@exequatur/kernel';
import { isJsonObject } from '@exequatur/kernel';

/** The claims this library insists on: a token that states no audience, end or caps is not judged leniently but refused. */
export type AuthorizationClaims = Authorization & { readonly aud: string; readonly exp: number; readonly caps: NonNullable<Authorization['caps']> };

/** The patterns of one shape: a handful, compiled once. */
const expressions = new Map<string, RegExp>();
const expression = (pattern: string): RegExp => {
  const known = expressions.get(pattern) ?? new RegExp(pattern, 'u');
  expressions.set(pattern, known);
  return known;
};

type Json = Readonly<Record<string, unknown>>;

/**
 * Judges a value by the few keywords that the shapes of contracts are made of (contracts schema.ts). A full JSON Schema
 * implementation would be the only npm package of this library.
 */
const fits = (schema: Json, value: JsonValue): boolean => {
  switch (schema['type']) {
    case 'string':
      return typeof value === 'string' && value.length <= Number(schema['maxLength'] ?? Infinity) && (schema['pattern'] === undefined || expression(String(schema['pattern'])).test(value));
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value) && value >= Number(schema['minimum'] ?? -Infinity) && value <= Number(schema['maximum'] ?? Infinity);
    case 'array':
      return Array.isArray(value) && value.length <= Number(schema['maxItems'] ?? Infinity) && value.every((each: JsonValue) => fits(schema['items'] as Json, each));
    case 'object':
      return isJsonObject(value) && objectFits(schema, value);
    default:
      throw new Error('a shape of the authorization uses a type this library does not judge');
  }
};

/** Claims that this version does not know are left alone (RFC 7519 section 4), inside caps they are not: an unknown limit cannot be kept. */
const objectFits = (schema: Json, value: JsonObject): boolean => {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>;
  const others = schema['additionalProperties'];
  return (
    ((schema['required'] ?? []) as readonly string[]).every((key) => Object.hasOwn(value, key)) &&
    Object.entries(value).every(([key, each]) => {
      const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (known !== undefined) return fits(known, each);
      return typeof others === 'object' && others !== null ? fits(others as Json, each) : others !== false;
    })
  );
};

const OPEN = { ...authorizationShape.json, additionalProperties: true };

/** Undefined when a required claim is missing or any known one is not of its shape. */
export const readClaims = (payload: JsonObject): AuthorizationClaims | undefined => {
  if (!fits(OPEN, payload)) return undefined;
  const claims = payload as unknown as Authorization;
  const { aud, exp, caps } = claims;
  return aud === undefined || exp === undefined || caps === undefined ? undefined : { ...claims, aud, exp, caps };
};
