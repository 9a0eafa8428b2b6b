import { CODES, type Code } from '@exequatur/contracts';
import { isRefusal, type Refusal } from '@exequatur/kernel';

/** One fault of one field: a JSON Pointer into the body (or `/<name>` in the query) and what was expected there. */
export interface FieldFault {
  readonly pointer: string;
  readonly expected: string;
}

/** RFC 9457 document. Every member is safe to show to whoever asked. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code: Code;
  readonly retryable: boolean;
  readonly errors?: readonly FieldFault[];
}

/** Where the generated table of codes is published; each code is an anchor on it. */
const CODES_PAGE = 'https://exequatur.dev/docs/reference/codes#';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** The request ends with this code. Status, title and whether a retry can help come from the one table in contracts. */
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly code: Code,
    readonly detail?: string,
    readonly errors?: readonly FieldFault[],
    /** For 429 and 503: whole seconds after which a retry makes sense. */
    readonly retryAfterSeconds?: number,
  ) {
    super(detail === undefined ? code : `${code}: ${detail}`);
  }

  get status(): number {
    return CODES[this.code].status;
  }

  document(): ProblemDocument {
    const { title, status, retryable } = CODES[this.code];
    return {
      type: `${CODES_PAGE}${this.code.toLowerCase()}`,
      title,
      status,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      code: this.code,
      retryable,
      ...(this.errors === undefined ? {} : { errors: this.errors }),
    };
  }
}

/** Ends the request with a problem. `detail` must be safe to show to the caller: no SQL, secret, or foreign tenant's data. */
export function problem(code: Code, detail?: string, errors?: readonly FieldFault[]): never {
  throw new Problem(code, detail, errors);
}

const isCode = (code: string): code is Code => Object.hasOwn(CODES, code);

/** A decider's refusal as the problem that answers the request; a code outside contracts is a bug and reads as INTERNAL. */
export const problemOf = (refusal: Refusal): Problem =>
  isCode(refusal.code)
    ? new Problem(refusal.code, refusal.detail, refusal.pointer === undefined ? undefined : [{ pointer: refusal.pointer, expected: refusal.detail ?? CODES[refusal.code].title }])
    : new Problem('INTERNAL');

/** Passes values through and throws refusals as problems. @throws Problem */
export const orProblem = <T>(outcome: T | Refusal): T => {
  if (isRefusal(outcome)) throw problemOf(outcome);
  return outcome;
};
