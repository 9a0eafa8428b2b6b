/**
 * A business "no" as a value. `code` is one of the codes of contracts (this room does not know them, so callers narrow C).
 * `detail` is safe to show to whoever asked; `pointer` is a JSON Pointer to the field it is about.
 */
export interface Refusal<C extends string = string> {
  readonly refused: true;
  readonly code: C;
  readonly detail?: string;
  readonly pointer?: string;
}

export const refuse = <C extends string>(code: C, detail?: string, pointer?: string): Refusal<C> => ({
  refused: true,
  code,
  ...(detail === undefined ? {} : { detail }),
  ...(pointer === undefined ? {} : { pointer }),
});

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'refused' in value && value.refused === true && 'code' in value && typeof value.code === 'string';

/** The end of an exhaustive switch: compiles only while no case is missing. @throws Error when data broke its type. */
export const assertNever = (value: never): never => {
  throw new Error(`unexpected case: ${JSON.stringify(value)}`);
};
