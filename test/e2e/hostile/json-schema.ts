import { Ajv2020 } from 'ajv/dist/2020.js';

/** The part of JSON Schema that contracts writes. */
export interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
}

const ajv = new Ajv2020({ strict: false });

/** The oracle: what the published schema does not take must be refused, all else may be legitimate. */
export const takes = (schema: JsonSchema, value: unknown): boolean => ajv.validate(schema, value);

/** Texts that between them fit every pattern of contracts. */
const TEXTS = ['acme', 'tenant:acme/workspace:sales/app:outreach', 'RISK_POINTS', '7', '0.5', '30s', '2030-01-01T00:00:00Z', `sha256:${'a'.repeat(64)}`, '00000000-0000-7000-8000-000000000000', '/amount', 'https://crm.example/1', 'true', 'a'.repeat(32)];

/**
 * A value the schema takes, with every optional field present so that each can be broken in turn.
 * `known` gives values by field name where any will not do. Throws when it cannot make one.
 */
export const sampleOf = (schema: JsonSchema, known: Readonly<Record<string, unknown>> = {}, name = ''): unknown => {
  const given = known[name];
  if (given !== undefined && takes(schema, given)) return given;
  if (schema.enum !== undefined) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([field, inner]) => [field, sampleOf(inner, known, field)]));
    case 'array':
      return schema.items === undefined ? [] : [sampleOf(schema.items, known, name)];
    case 'integer':
    case 'number':
      return Math.max(1, schema.minimum ?? 0);
    case 'boolean':
      return true;
    case 'string': {
      const text = TEXTS.find((candidate) => takes(schema, candidate));
      if (text === undefined) throw new Error(`no sample for ${name} (${JSON.stringify(schema)}): give TEXTS one`);
      return text;
    }
    default:
      return { note: 'anything' };
  }
};

export type Place = readonly (string | number)[];

/** Every place inside a value, the whole of it first. */
export const placesIn = (value: unknown, at: Place = []): Place[] => {
  if (Array.isArray(value)) return [at, ...value.flatMap((inner, index) => placesIn(inner, [...at, index]))];
  if (typeof value === 'object' && value !== null) return [at, ...Object.entries(value).flatMap(([field, inner]) => placesIn(inner, [...at, field]))];
  return [at];
};

/** A copy with one place changed; `undefined` takes a field away. */
export const changed = (value: unknown, [step, ...rest]: Place, to: unknown): unknown => {
  if (step === undefined) return to;
  if (Array.isArray(value)) return value.map((inner, index) => (index === step ? changed(inner, rest, to) : (inner as unknown)));
  const fields = Object.entries(value as object).map(([field, inner]) => [field, field === step ? changed(inner, rest, to) : (inner as unknown)] as const);
  return Object.fromEntries(fields.filter(([, inner]) => inner !== undefined));
};

/** A copy with a field more in the object at a place. */
export const extended = (value: unknown, [step, ...rest]: Place, field: string): unknown => {
  if (step !== undefined) return changed(value, [step], extended((value as Record<string | number, unknown>)[step], rest, field));
  return { ...(value as object), [field]: 'unexpected' };
};
