import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Schema } from '@exequatur/contracts';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { problem, Problem, type FieldFault } from '../problem/problem.js';
import type { HttpRequest } from './http-request.js';

/** At most this many faults are reported; a hostile body must not make the answer large. */
const MAX_FAULTS = 20;

const bodies = new Ajv2020({ allErrors: false, strict: false });
const texts = new Ajv2020({ allErrors: false, strict: false, coerceTypes: true });
const compiled = new Map<Ajv2020, WeakMap<object, ValidateFunction>>([[bodies, new WeakMap()], [texts, new WeakMap()]]);

const validatorOf = (ajv: Ajv2020, json: Readonly<Record<string, unknown>>): ValidateFunction => {
  const known = compiled.get(ajv);
  const found = known?.get(json);
  if (found !== undefined) return found;
  const validate = ajv.compile(json);
  known?.set(json, validate);
  return validate;
};

const escapePointer = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1');

const faultOf = (error: ErrorObject): FieldFault => {
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'required':
      return { pointer: `${error.instancePath}/${escapePointer(String(params['missingProperty']))}`, expected: 'to be present' };
    case 'additionalProperties':
      return { pointer: `${error.instancePath}/${escapePointer(String(params['additionalProperty']))}`.slice(0, 200), expected: 'no such field' };
    case 'enum':
      return { pointer: error.instancePath, expected: `one of ${JSON.stringify(params['allowedValues'])}` };
    default:
      return { pointer: error.instancePath, expected: error.message ?? error.keyword };
  }
};

/** The value, typed, when it has the shape. @throws Problem INVALID with one fault a field */
export const shaped = <T>(schema: Schema<T>, value: unknown): T => check(bodies, schema, value);

const check = <T>(ajv: Ajv2020, schema: Schema<T>, value: unknown): T => {
  const validate = validatorOf(ajv, schema.json);
  if (validate(value)) return value as T;
  throw new Problem('INVALID', undefined, (validate.errors ?? []).slice(0, MAX_FAULTS).map(faultOf));
};

const bodyOf = (request: HttpRequest): unknown => (request.rawBody === undefined ? problem('MALFORMED', 'a JSON body is required') : request.body);

/** `@ShapedBody(proposal) body: Shape<typeof proposal>`. @throws Problem MALFORMED without a body, INVALID when the shape differs */
export const ShapedBody = <T>(schema: Schema<T>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext): T => check(bodies, schema, bodyOf(context.switchToHttp().getRequest<HttpRequest>())))();

/** `@ShapedQuery(listQuery) query: Shape<typeof listQuery>`. Texts become the numbers and booleans the shape asks for; repeated names are refused. */
export const ShapedQuery = <T>(schema: Schema<T>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext): T => {
    // A copy with a prototype: coercion writes into it, and Fastify's own has none.
    const query = { ...(context.switchToHttp().getRequest<HttpRequest>().query as Record<string, unknown>) };
    return check(texts, schema, query);
  })();

/** `@ShapedPath('id', uuid()) id: string`: a path parameter that has not the shape names nothing. @throws Problem NOT_FOUND */
export const ShapedPath = <T>(name: string, schema: Schema<T>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext): T => {
    const value = (context.switchToHttp().getRequest<HttpRequest>().params as Readonly<Record<string, unknown>>)[name];
    return validatorOf(bodies, schema.json)(value) ? (value as T) : problem('NOT_FOUND');
  })();
