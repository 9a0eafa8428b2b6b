import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Schema } from '@exequatur/contracts';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { problem, Problem, type FieldFault } from '../problem/problem.js';
import type { HttpRequest } from './http-request.js';

/** At most this many faults are reported; a hostile body must not make the answer large. */
const MAX_FAULTS = 20;

const ajv = new Ajv2020({ allErrors: false, strict: false });
const compiled = new WeakMap<object, ValidateFunction>();

/** A schema is compiled when it is first used. */
const validatorOf = (json: Readonly<Record<string, unknown>>): ValidateFunction => {
  const found = compiled.get(json);
  if (found !== undefined) return found;
  const validate = ajv.compile(json);
  compiled.set(json, validate);
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
export const shaped = <T>(schema: Schema<T>, value: unknown): T => {
  const validate = validatorOf(schema.json);
  if (validate(value)) return value as T;
  throw new Problem('INVALID', undefined, (validate.errors ?? []).slice(0, MAX_FAULTS).map(faultOf));
};

const bodyOf = (request: HttpRequest): unknown => (request.rawBody === undefined ? problem('MALFORMED', 'a JSON body is required') : request.body);

/** `@ShapedBody(proposal) body: Shape<typeof proposal>`. @throws Problem MALFORMED without a body, INVALID when the shape differs */
export const ShapedBody = <T>(schema: Schema<T>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext): T => shaped(schema, bodyOf(context.switchToHttp().getRequest<HttpRequest>())))();

const DECIMAL = /^-?(0|[1-9]\d{0,15})$/;

/** A query holds texts; where the shape asks for a number or a truth value, the one spelling of it counts as one. */
const typedText = (text: unknown, wanted: unknown): unknown => {
  if ((wanted === 'integer' || wanted === 'number') && typeof text === 'string' && DECIMAL.test(text)) return Number(text);
  if (wanted === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
};

const typedQuery = (schema: Schema<unknown>, query: unknown): unknown => {
  const properties = (schema.json['properties'] ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
  return Object.fromEntries(Object.entries(query as Readonly<Record<string, unknown>>).map(([name, text]) => [name, typedText(text, Object.hasOwn(properties, name) ? properties[name]?.['type'] : undefined)]));
};

/** `@ShapedQuery(listQuery) query: Shape<typeof listQuery>`; a name given twice is refused. @throws Problem INVALID */
export const ShapedQuery = <T>(schema: Schema<T>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext): T => shaped(schema, typedQuery(schema, context.switchToHttp().getRequest<HttpRequest>().query)))();

/** `@ShapedPath('id', uuid()) id: string`: a path parameter that has not the shape names nothing. @throws Problem NOT_FOUND */
export const ShapedPath = <T>(name: string, schema: Schema<T>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext): T => {
    const value = (context.switchToHttp().getRequest<HttpRequest>().params as Readonly<Record<string, unknown>>)[name];
    return validatorOf(schema.json)(value) ? (value as T) : problem('NOT_FOUND');
  })();
