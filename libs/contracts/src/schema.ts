/**
 * The few shapes our wire formats are made of. One definition gives both the static type (`Shape<typeof x>`) and the
 * JSON Schema (2020-12) that both ends validate against, so the two cannot drift apart.
 */
export interface Schema<T> {
  readonly json: Readonly<Record<string, unknown>>;
  readonly optional?: true;
  /** Carries the static type only; never present at run time. */
  readonly type?: T;
}
export interface OptionalSchema<T> extends Schema<T> {
  readonly optional: true;
}
export type Shape<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Schema<unknown>>>;
type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K] extends OptionalSchema<unknown> ? never : K }[keyof F];
type OptionalKeys<F extends Fields> = Exclude<keyof F, RequiredKeys<F>>;
export type ObjectOf<F extends Fields> = { readonly [K in RequiredKeys<F>]: Shape<F[K]> } & { readonly [K in OptionalKeys<F>]?: Shape<F[K]> };

/** Text of bounded length in UTF-16 code units. */
export const text = (maxLength = 1_000): Schema<string> => ({ json: { type: 'string', maxLength } });
/** A name an operator or agent chose: printable ASCII without spaces, for ids in scopes, kinds, tools, people. */
export const name = (): Schema<string> => ({ json: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$' } });
/** `tenant:acme/workspace:sales/…`, 1 to 10 segments, each `<level>:<id>`. */
export const scopePath = (): Schema<string> => ({
  json: { type: 'string', maxLength: 1_024, pattern: '^tenant:[A-Za-z0-9._-]{1,128}(/[a-z][a-z0-9_]{0,31}:[A-Za-z0-9._-]{1,128}){0,9}$' },
});
/** UUID in lower-case text form (RFC 9562); ours are version 7 unless derived. */
export const uuid = (): Schema<string> => ({ json: { type: 'string', pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' } });
/** `sha256:<64 hex>`. */
export const hash = (): Schema<string> => ({ json: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' } });
/** RFC 3339 UTC with milliseconds or microseconds, always `Z`. */
export const instant = (): Schema<string> => ({ json: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?Z$' } });
/** A non-negative integer amount as decimal text; its unit stands beside it. */
export const amount = (): Schema<string> => ({ json: { type: 'string', pattern: '^(0|[1-9]\\d{0,29})$' } });
/** USD_MICROCENTS, RISK_POINTS, TOKENS, CALLS, STEPS, SECONDS, CREDITS or a tenant's own unit. */
export const unit = (): Schema<string> => ({ json: { type: 'string', pattern: '^[A-Z][A-Z0-9_]{0,31}$' } });
/** A JSON integer that is counted, not money: versions, numbers of uses, milliseconds. */
export const count = (maximum = Number.MAX_SAFE_INTEGER): Schema<number> => ({ json: { type: 'integer', minimum: 0, maximum } });
/** A fraction from 0 to 1 as decimal text, e.g. "0.82"; our own fields hold no floats. */
export const fraction = (): Schema<string> => ({ json: { type: 'string', pattern: '^(0(\\.\\d{1,6})?|1(\\.0{1,6})?)$' } });
/** Any JSON value that the strict parse accepted. */
export const anything = (): Schema<unknown> => ({ json: {} });
export const truth = (): Schema<boolean> => ({ json: { type: 'boolean' } });
/** base64url without padding. */
export const base64url = (maxLength = 1_048_576): Schema<string> => ({ json: { type: 'string', maxLength, pattern: '^[A-Za-z0-9_-]*$' } });
/** A compact JWS (RFC 7515). */
export const jws = (): Schema<string> => ({ json: { type: 'string', maxLength: 65_536, pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$' } });
export const oneOf = <const V extends readonly string[]>(...values: V): Schema<V[number]> => ({ json: { type: 'string', enum: values } });
export const list = <T>(of: Schema<T>, maxItems = 100): Schema<readonly T[]> => ({ json: { type: 'array', items: of.json, maxItems } });
export const record = <T>(of: Schema<T>, maxProperties = 100): Schema<Readonly<Record<string, T>>> => ({ json: { type: 'object', additionalProperties: of.json, maxProperties } });
export const optional = <T>(of: Schema<T>): OptionalSchema<T> => ({ ...of, optional: true });
/** A closed object: an unknown field is an error on every wire. */
export const object = <F extends Fields>(fields: F): Schema<ObjectOf<F>> => ({
  json: {
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.json])),
    required: Object.entries(fields).filter(([, field]) => !field.optional).map(([key]) => key),
    additionalProperties: false,
  },
});
