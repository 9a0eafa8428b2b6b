import type { ActionFacts } from '@exequatur/caps';
import type { Tool } from '@exequatur/contracts';
import { canonicalBytes, isRefusal, parseStrict, refuse, StrictJsonError } from '@exequatur/kernel';
import type { JsonValue, Refusal } from '@exequatur/kernel';
import type { AuthorizationVerifier, Authorized } from '../authorization-verifier.js';
import { VERIFY_CODES } from '../refusal-codes.js';
import type { VerifyCode } from '../refusal-codes.js';

/** The header that carries the token, and the one for the salt when the token has none. Lower case, as Node gives them. */
export const AUTHORIZATION_HEADER = 'exequatur-authorization';
export const SALT_HEADER = 'exequatur-salt';

/** What one route of a tool is. */
export interface GuardedTool {
  readonly tool: Tool;
  readonly tenant: string;
  /** What the tool reads out of the arguments, for the caps that bound it. */
  readonly facts?: (args: JsonValue) => ActionFacts;
}

/** Arguments as they may be acted on: one meaning, and the bytes that were hashed. */
export interface CanonicalArguments {
  readonly value: JsonValue;
  readonly bytes: Uint8Array;
}

/**
 * Strict parse of a request body and its RFC 8785 bytes. Act on `value` (or `bytes`) and never on another parse of the body:
 * with a key named twice, two parsers can see two different calls.
 */
export const canonicalArguments = (body: Uint8Array | string): CanonicalArguments | Refusal<VerifyCode> => {
  try {
    const value = parseStrict(body);
    return { value, bytes: canonicalBytes(value) };
  } catch (error) {
    if (error instanceof StrictJsonError) return refuse('ARGUMENTS_MALFORMED', error.message);
    throw error;
  }
};

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const single = (headers: Headers, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
};

export interface GuardedCall extends Authorized {
  readonly value: JsonValue;
}

/** One call of a guarded route, without a framework: what the guards of this folder are made of. */
export const judgeCall = async (verifier: AuthorizationVerifier, { tool, tenant, facts }: GuardedTool, headers: Headers, body: Uint8Array): Promise<GuardedCall | Refusal<VerifyCode>> => {
  const args = canonicalArguments(body);
  if (isRefusal(args)) return args;
  const salt = single(headers, SALT_HEADER);
  const verdict = await verifier.verify(single(headers, AUTHORIZATION_HEADER), {
    tool,
    tenant,
    argumentBytes: args.bytes,
    ...(salt === undefined ? {} : { salt }),
    ...(facts === undefined ? {} : { facts: facts(args.value) }),
  });
  return isRefusal(verdict) ? verdict : { ...verdict, value: args.value };
};

/** RFC 9457. `detail` names no value of the call. */
export const refusalProblem = ({ code }: Refusal<VerifyCode>) => {
  const { status, title, retryable } = VERIFY_CODES[code];
  return { type: 'about:blank', title, status, code, retryable };
};
