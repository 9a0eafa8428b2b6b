import { timingSafeEqual, verify } from 'node:crypto';
import { AUTHORITY_DIMENSIONS, capsAdmit } from '@exequatur/caps';
import type { ActionFacts } from '@exequatur/caps';
import { AUTHORIZATION_JWS_TYPE } from '@exequatur/contracts';
import type { Tool } from '@exequatur/contracts';
import { fromInstant, isRefusal, refuse, SALT_BYTES, saltedHash, systemClock } from '@exequatur/kernel';
import type { Clock, Refusal } from '@exequatur/kernel';
import { readClaims } from './authorization-claims.js';
import type { AuthorizationClaims } from './authorization-claims.js';
import { readCompactJws } from './compact-jws.js';
import type { CompactJws } from './compact-jws.js';
import { KeysUnavailable } from './key-source.js';
import type { KeySource } from './key-source.js';
import type { VerifyCode } from './refusal-codes.js';
import { InMemoryReplayStore } from './replay-store.js';
import type { ReplayStore } from './replay-store.js';

/** A call as the tool or gateway sees it; everything here is its own knowledge, not the caller's word. */
export interface ToolCall {
  readonly tenant: string;
  readonly tool: Tool;
  /** Exactly the bytes the tool will act on: canonical JSON (RFC 8785) of the arguments, see `canonicalArguments`. */
  readonly argumentBytes: Uint8Array;
  /** base64url of 16 bytes, used when the token carries none. The caller may hand it over: no other salt fits the hash. */
  readonly salt?: string;
  /**
   * What the tool read out of the arguments. Given, every cap on amounts, recipients, environment, tools, models and rows is
   * judged, and a cap on something not stated here refuses. Not given, only the `tools` cap is: the arguments are bound
   * exactly, and the authority judged the caps on what policy extracts from them.
   */
  readonly facts?: ActionFacts;
}

export interface VerifierOptions {
  readonly keys: KeySource;
  /** Default: in memory, 100,000 living entries; right for one process. */
  readonly replay?: ReplayStore;
  /** How far the clock of this machine may be from the authority's database. Default 1 s. */
  readonly clockToleranceMs?: number;
  readonly clock?: Clock;
}

/** The call may run, once, now. `caps.max_runtime_sec` and `caps.network_allowlist` are the tool's to keep. */
export interface Authorized {
  readonly refused: false;
  readonly authorization: AuthorizationClaims;
}

export const MAX_CLOCK_TOLERANCE_MS = 60_000;

/**
 * Checks authorization tokens of reservations, for tools and gateways: the form, the signature, the times, whom and what it
 * is for, the arguments, the caps, and last that it was not used before. The first check that fails is the answer.
 */
export class AuthorizationVerifier {
  private readonly keys: KeySource;
  private readonly replay: ReplayStore;
  private readonly toleranceMs: number;
  private readonly clock: Clock;

  /** @throws RangeError when the tolerance is negative or above a minute */
  constructor({ keys, replay, clockToleranceMs = 1_000, clock = systemClock }: VerifierOptions) {
    if (!(clockToleranceMs >= 0 && clockToleranceMs <= MAX_CLOCK_TOLERANCE_MS)) throw new RangeError(`clockToleranceMs is 0 to ${MAX_CLOCK_TOLERANCE_MS}`);
    this.keys = keys;
    this.replay = replay ?? new InMemoryReplayStore(undefined, () => clock.now());
    this.toleranceMs = clockToleranceMs;
    this.clock = clock;
  }

  /** Never throws for a bad token. Passing consumes the token: a second call with it is TOKEN_REPLAYED. */
  async verify(token: string | undefined, call: ToolCall): Promise<Authorized | Refusal<VerifyCode>> {
    if (token === undefined || token === '') return refuse('TOKEN_MISSING');
    const claims = await this.signedClaims(token);
    if (isRefusal(claims)) return claims;
    const refusal = this.judgeTimes(claims) ?? judgeAddressee(claims, call) ?? judgeArguments(claims, call) ?? judgeCaps(claims, call);
    if (refusal !== undefined) return refusal;
    return (await this.claimUse(claims)) ?? { refused: false, authorization: claims };
  }

  private async signedClaims(token: string): Promise<AuthorizationClaims | Refusal<VerifyCode>> {
    const jws = readCompactJws(token);
    if (jws === undefined) return refuse('TOKEN_MALFORMED');
    const { alg, typ, kid, crit, b64 } = jws.header;
    if (alg !== 'EdDSA') return refuse('TOKEN_ALGORITHM');
    if (typ !== AUTHORIZATION_JWS_TYPE) return refuse('TOKEN_TYPE');
    // RFC 7515 section 4.1.11: an extension that must be understood, and none is.
    if (typeof kid !== 'string' || crit !== undefined || b64 !== undefined) return refuse('TOKEN_MALFORMED');
    return (await this.judgeSignature(kid, jws)) ?? readClaims(jws.payload) ?? refuse('TOKEN_MALFORMED');
  }

  private async judgeSignature(kid: string, { signed, signature }: CompactJws): Promise<Refusal<VerifyCode> | undefined> {
    try {
      const key = await this.keys.keyOf(kid);
      if (key === undefined) return refuse('KEY_UNKNOWN');
      return signature.byteLength === 64 && verify(null, signed, key, signature) ? undefined : refuse('SIGNATURE_INVALID');
    } catch (error) {
      if (error instanceof KeysUnavailable) return refuse('KEYS_UNAVAILABLE');
      throw error;
    }
  }

  private judgeTimes({ iat, exp, execute_by }: AuthorizationClaims): Refusal<VerifyCode> | undefined {
    const now = this.clock.now();
    if (iat !== undefined && iat * 1_000 > now + this.toleranceMs) return refuse('TOKEN_NOT_YET_VALID');
    if (now - this.toleranceMs > fromInstant(execute_by)) return refuse('EXECUTE_BY_PASSED');
    return now - this.toleranceMs >= exp * 1_000 ? refuse('TOKEN_EXPIRED') : undefined;
  }

  private async claimUse({ reservation_id, exp }: AuthorizationClaims): Promise<Refusal<VerifyCode> | undefined> {
    try {
      // A second more than the token can pass, so that an entry never goes in the moment that still accepts its token.
      return (await this.replay.claim(reservation_id, exp * 1_000 + this.toleranceMs + 1_000)) ? undefined : refuse('TOKEN_REPLAYED');
    } catch {
      return refuse('REPLAY_UNAVAILABLE');
    }
  }
}

const judgeAddressee = (claims: AuthorizationClaims, { tenant, tool }: ToolCall): Refusal<VerifyCode> | undefined => {
  if (claims.aud !== tool.name) return refuse('AUDIENCE_MISMATCH');
  if (claims.tenant !== tenant) return refuse('TENANT_MISMATCH');
  return claims.tool.name === tool.name && claims.tool.version === tool.version ? undefined : refuse('TOOL_MISMATCH');
};

const judgeArguments = ({ salt: signedSalt, granted_arguments_hash }: AuthorizationClaims, call: ToolCall): Refusal<VerifyCode> | undefined => {
  const text = signedSalt ?? call.salt;
  if (text === undefined) return refuse('SALT_MISSING');
  const salt = Buffer.from(text, 'base64url');
  if (salt.byteLength !== SALT_BYTES) return refuse('ARGUMENTS_MISMATCH');
  const actual = Buffer.from(saltedHash(salt, call.argumentBytes), 'ascii');
  return timingSafeEqual(actual, Buffer.from(granted_arguments_hash, 'ascii')) ? undefined : refuse('ARGUMENTS_MISMATCH');
};

const judgeCaps = ({ caps }: AuthorizationClaims, { tool, facts }: ToolCall): Refusal<VerifyCode> | undefined =>
  capsAdmit(caps, { tool: tool.name, ...facts }, facts === undefined ? ['tools'] : AUTHORITY_DIMENSIONS);
