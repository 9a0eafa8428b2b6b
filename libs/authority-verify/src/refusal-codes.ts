/**
 * Why a call is not authorised, each with the HTTP status a guard answers and whether the same token can pass later.
 * Stable: gateways count and alert on them. Those that the authority has too (libs/contracts CODES) mean the same here.
 */
interface VerifyCodeEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly title: string;
}
const code = (status: number, title: string, retryable = false): VerifyCodeEntry => ({ status, retryable, title });

export const VERIFY_CODES = {
  TOKEN_MISSING: code(401, 'The call carries no authorization token'),
  TOKEN_MALFORMED: code(401, 'The token is not a compact JWS with the claims of an authorization'),
  TOKEN_ALGORITHM: code(401, 'The token is not signed with EdDSA'),
  TOKEN_TYPE: code(401, 'The token is of another type'),
  KEY_UNKNOWN: code(401, 'No published key of the authority has this key id'),
  SIGNATURE_INVALID: code(401, 'The signature is not that of the named key'),
  TOKEN_NOT_YET_VALID: code(401, 'The token was issued in the future'),
  TOKEN_EXPIRED: code(401, 'The token has expired'),
  EXECUTE_BY_PASSED: code(410, 'The last moment to execute has passed'),
  AUDIENCE_MISMATCH: code(403, 'The token is for another tool'),
  TENANT_MISMATCH: code(403, 'The token is for another tenant'),
  TOOL_MISMATCH: code(403, 'The token is for another tool or another version of it'),
  SALT_MISSING: code(400, 'Neither the token nor the call carries the salt of the arguments'),
  ARGUMENTS_MALFORMED: code(400, 'The arguments are not JSON that has one meaning'),
  ARGUMENTS_MISMATCH: code(403, 'The arguments are not the granted ones'),
  CAP_EXCEEDED: code(403, 'A cap of the authorization is exceeded'),
  TOKEN_REPLAYED: code(409, 'This authorization was used already'),
  KEYS_UNAVAILABLE: code(503, 'The keys of the authority cannot be fetched; nothing is authorised', true),
  REPLAY_UNAVAILABLE: code(503, 'Whether the token was used already cannot be told; nothing is authorised', true),
} as const satisfies Readonly<Record<string, VerifyCodeEntry>>;

export type VerifyCode = keyof typeof VERIFY_CODES;
