import { types } from 'node:util';

/** `instanceof Error` is false for errors of another realm, such as Node's own inside a vm context; this is not. */
export const isError = (value: unknown): value is Error => value instanceof Error || types.isNativeError(value);
