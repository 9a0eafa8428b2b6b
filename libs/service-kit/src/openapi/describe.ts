import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import type { Code, Schema } from '@exequatur/contracts';

export interface RouteDescription {
  /** One sentence. */
  readonly summary: string;
  readonly body?: Schema<unknown>;
  /** It may be left out. */
  readonly bodyOptional?: true;
  readonly query?: Schema<unknown>;
  /** By status; `'html'` for a page, `'empty'` for none. */
  readonly answers: Readonly<Record<number, Schema<unknown> | 'html' | 'empty'>>;
  /** Bodies of its errors by status, on the few routes whose errors are not problem documents (they speak somebody else's protocol). */
  readonly errors?: Readonly<Record<number, Schema<unknown>>>;
  /** Problems it may answer with beyond those every route has. */
  readonly codes?: readonly Code[];
  /** A POST that takes no Idempotency-Key, because it writes nothing or is idempotent by what it is sent. */
  readonly keyless?: true;
}

/** Whether a route writes under an Idempotency-Key: its document says so, and the guard asks for it before anything else is judged. */
export const takesKey = (method: string, description: RouteDescription | undefined): boolean => method.toUpperCase() === 'POST' && description !== undefined && description.keyless !== true;

export const DESCRIBE = 'exequatur:describe';

/** What /openapi.json says about a route; every route of /v1 needs it, or the service refuses to start. */
export const Describe = (description: RouteDescription): CustomDecorator => SetMetadata(DESCRIBE, description);
