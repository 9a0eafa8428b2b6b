import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { canonicalBytes, newSalt, toInstant } from '@exequatur/kernel';
import { AuthorizationVerifier } from './authorization-verifier.js';
import type { ToolCall, VerifierOptions } from './authorization-verifier.js';
import { pinnedKeys } from './key-source.js';
import { InMemoryReplayStore } from './replay-store.js';
import { argumentBytes, call, claimsAt, SALT, SettableClock, testKey, tokenOf, TOOL } from './spec/authority.js';

const key = testKey('reservations-1');
const clock = new SettableClock();
const verifierOf = (options: Partial<VerifierOptions> = {}) => new AuthorizationVerifier({ keys: pinnedKeys({ keys: [key.jwk] }), clock, ...options });
const verifier = verifierOf();

type Claims = ReturnType<typeof claimsAt>;
const token = (changes: Partial<Claims> = {}, header: object = {}): string => tokenOf(key, claimsAt(clock.ms, changes), header);
const without = (...names: readonly (keyof Claims)[]): string => tokenOf(key, Object.fromEntries(Object.entries(claimsAt(clock.ms)).filter(([name]) => !names.includes(name as keyof Claims))));
const codeOf = async (presented: string | undefined, changes: Partial<ToolCall> = {}, by = verifier): Promise<string> => {
  const verdict = await by.verify(presented, { ...call, ...changes });
  return verdict.refused ? verdict.code : 'authorised';
};

test('a token for this call passes once, with its claims', async () => {
  const claims = claimsAt(clock.ms, { caps: { max_runtime_sec: 5 } });
  const presented = tokenOf(key, claims);
  expect(await verifier.verify(presented, call)).toEqual({ refused: false, authorization: claims });
  expect(await codeOf(presented)).toBe('TOKEN_REPLAYED');
});

describe('forged', () => {
  const other = testKey('reservations-1');
  const parts = (): string[] => token().split('.');
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const rewritten = (): string => {
    const [header, payload, signature] = parts();
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as object;
    return `${header ?? ''}.${part({ ...claims, use_no: 2 })}.${signature ?? ''}`;
  };
  const hmac = (): string => {
    const signed = `${part({ alg: 'HS256', typ: 'exq-authorization+jwt', kid: key.kid })}.${parts()[1] ?? ''}`;
    return `${signed}.${createHmac('sha256', String(key.jwk['x'])).update(signed).digest('base64url')}`;
  };
  const cases: readonly [string, () => string | undefined, string][] = [
    ['no token', () => undefined, 'TOKEN_MISSING'],
    ['an empty one', () => '', 'TOKEN_MISSING'],
    ['not a JWS', () => 'hello', 'TOKEN_MALFORMED'],
    ['four parts', () => `${token()}.e30`, 'TOKEN_MALFORMED'],
    ['far too long', () => `${token()}${'A'.repeat(20_000)}`, 'TOKEN_MALFORMED'],
    ['base64 with padding', () => `${token()}=`, 'TOKEN_MALFORMED'],
    ['another spelling of the signature', () => token().replace(/.$/, (last) => (last === 'A' ? 'B' : last === 'Q' ? 'R' : last === 'g' ? 'h' : 'x')), 'TOKEN_MALFORMED'],
    ['a claim named twice', () => `${parts()[0] ?? ''}.${Buffer.from('{"aud":"a","aud":"b"}').toString('base64url')}.${parts()[2] ?? ''}`, 'TOKEN_MALFORMED'],
    ['alg none, no signature', () => `${part({ alg: 'none', typ: 'exq-authorization+jwt', kid: key.kid })}.${parts()[1] ?? ''}.`, 'TOKEN_ALGORITHM'],
    ['alg none, real signature', () => token({}, { alg: 'none' }), 'TOKEN_ALGORITHM'],
    ['HMAC with the public key', hmac, 'TOKEN_ALGORITHM'],
    ['a grant instead', () => token({}, { typ: 'exq-grant+jwt' }), 'TOKEN_TYPE'],
    ['no typ', () => token({}, { typ: undefined }), 'TOKEN_TYPE'],
    ['no kid', () => token({}, { kid: undefined }), 'TOKEN_MALFORMED'],
    ['an extension that must be understood', () => token({}, { crit: ['b64'], b64: false }), 'TOKEN_MALFORMED'],
    ['an unpublished kid', () => tokenOf(testKey('reservations-2'), claimsAt(clock.ms)), 'KEY_UNKNOWN'],
    ['another key under a published kid', () => tokenOf(other, claimsAt(clock.ms)), 'SIGNATURE_INVALID'],
    ['claims changed after signing', rewritten, 'SIGNATURE_INVALID'],
    ['a truncated signature', () => parts().map((each, index) => (index === 2 ? each.slice(0, 40) : each)).join('.'), 'SIGNATURE_INVALID'],
    ['claims that are none', () => tokenOf(key, { sub: 'x' }), 'TOKEN_MALFORMED'],
    ['a cap this version does not know', () => token({ caps: { max_widgets: 1 } as never }), 'TOKEN_MALFORMED'],
    ['a claim of another form', () => token({ use_no: '1' as never }), 'TOKEN_MALFORMED'],
    ['no caps', () => without('caps'), 'TOKEN_MALFORMED'],
    ['no audience', () => without('aud'), 'TOKEN_MALFORMED'],
    ['no end', () => without('exp'), 'TOKEN_MALFORMED'],
  ];
  test.each(cases)('%s', async (_, forge, code) => {
    expect(await codeOf(forge())).toBe(code);
  });

  test('a claim that a later version adds is left alone', async () => {
    expect(await codeOf(token({ novelty: true } as never))).toBe('authorised');
  });

  test('a key of another service does not count, even published by the same origin', async () => {
    const policy = testKey('policy-1');
    expect(await codeOf(tokenOf(policy, claimsAt(clock.ms)), {}, verifierOf({ keys: pinnedKeys({ keys: [key.jwk, policy.jwk] }) }))).toBe('KEY_UNKNOWN');
  });
});

describe('for another call', () => {
  const cases: readonly [string, Partial<Claims>, Partial<ToolCall>, string][] = [
    ['another audience', { aud: 'billing.refund' }, {}, 'AUDIENCE_MISMATCH'],
    ['another tool is called', {}, { tool: { name: 'billing.refund', version: '1.0' } }, 'AUDIENCE_MISMATCH'],
    ['another version', {}, { tool: { ...TOOL, version: '2.0' } }, 'TOOL_MISMATCH'],
    ['the tool differs from the audience', { tool: { name: 'mailer.draft', version: '1.0' } }, {}, 'TOOL_MISMATCH'],
    ['another tenant', {}, { tenant: 'globex' }, 'TENANT_MISMATCH'],
    ['other arguments', {}, { argumentBytes: canonicalBytes({ to: 'thief@example.com', text: 'Hello' }) }, 'ARGUMENTS_MISMATCH'],
    ['the same arguments with a space', {}, { argumentBytes: Buffer.from(`${Buffer.from(argumentBytes).toString()} `) }, 'ARGUMENTS_MISMATCH'],
    ['another salt', { salt: newSalt().toString('base64url') }, {}, 'ARGUMENTS_MISMATCH'],
    ['a salt moved into the arguments', { salt: '' }, { argumentBytes: Buffer.concat([SALT, argumentBytes]) }, 'ARGUMENTS_MISMATCH'],
    ['a cap on tools', { caps: { tools: ['mailer.draft'] } }, {}, 'CAP_EXCEEDED'],
    ['a recipient past the caps', { caps: { allowed_recipients: ['*@example.org'] } }, { facts: { recipients: ['customer@example.com'] } }, 'CAP_EXCEEDED'],
    ['a bounded amount that the tool does not state', { caps: { max_amount: { USD_MICROCENTS: '5' } } }, { facts: { recipients: [] } }, 'CAP_EXCEEDED'],
    ['an amount within', { caps: { max_amount: { USD_MICROCENTS: '5' } } }, { facts: { amounts: { USD_MICROCENTS: 5n } } }, 'authorised'],
  ];
  test.each(cases)('%s', async (_, claims, changes, code) => {
    expect(await codeOf(token(claims), changes)).toBe(code);
  });

  test('without a salt in the token the call brings it, and only the true one fits', async () => {
    expect(await codeOf(without('salt'))).toBe('SALT_MISSING');
    expect(await codeOf(without('salt'), { salt: newSalt().toString('base64url') })).toBe('ARGUMENTS_MISMATCH');
    expect(await codeOf(without('salt'), { salt: SALT.toString('base64url') })).toBe('authorised');
  });
});

describe('times', () => {
  test.each([
    ['execute_by passed', { execute_by: toInstant(clock.ms - 1_001) }, 'EXECUTE_BY_PASSED'],
    ['execute_by passed within the tolerance', { execute_by: toInstant(clock.ms - 1_000) }, 'authorised'],
    ['exp passed', { exp: clock.ms / 1_000 - 1 }, 'TOKEN_EXPIRED'],
    ['exp passed within the tolerance', { exp: clock.ms / 1_000 }, 'authorised'],
    ['issued in the future', { iat: clock.ms / 1_000 + 2 }, 'TOKEN_NOT_YET_VALID'],
    ['issued in the future within the tolerance', { iat: clock.ms / 1_000 + 1 }, 'authorised'],
  ])('%s', async (_, changes, code) => {
    expect(await codeOf(token(changes))).toBe(code);
  });

  test.each([-1, 60_001, Number.NaN])('a tolerance of %s ms is refused', (clockToleranceMs) => {
    expect(() => verifierOf({ clockToleranceMs })).toThrow(RangeError);
  });
});

describe('replay', () => {
  test('a refused call does not use the token up', async () => {
    const presented = token();
    expect(await codeOf(presented, { tenant: 'globex' })).toBe('TENANT_MISMATCH');
    expect(await codeOf(presented)).toBe('authorised');
  });

  test('a second token of the same reservation is a replay', async () => {
    const reservation_id = claimsAt(clock.ms).reservation_id;
    expect(await codeOf(token({ reservation_id }))).toBe('authorised');
    expect(await codeOf(token({ reservation_id, use_no: 2 }))).toBe('TOKEN_REPLAYED');
  });

  test('of a hundred at once, one passes', async () => {
    const presented = token();
    const codes = await Promise.all(Array.from({ length: 100 }, () => codeOf(presented)));
    expect(codes.filter((code) => code === 'authorised')).toHaveLength(1);
  });

  test('an entry goes once its token is dead, and not before', async () => {
    const time = new SettableClock();
    const replay = new InMemoryReplayStore(1_000, () => time.now());
    const by = verifierOf({ clock: time, replay });
    const presented = tokenOf(key, claimsAt(time.ms));
    expect(await codeOf(presented, {}, by)).toBe('authorised');
    for (let second = 0; second < 10; second += 1) {
      time.ms += 1_000;
      expect(await codeOf(presented, {}, by)).toBe('TOKEN_REPLAYED');
    }
    time.ms += 1_001;
    expect(await codeOf(presented, {}, by)).toBe('EXECUTE_BY_PASSED');
    time.ms += 5_000;
    expect(await codeOf(tokenOf(key, claimsAt(time.ms)), {}, by)).toBe('authorised');
    expect(replay.size).toBe(1);
  });

  test('a full store refuses instead of forgetting', async () => {
    const by = verifierOf({ replay: new InMemoryReplayStore(2, () => clock.now()) });
    const first = token();
    expect(await codeOf(first, {}, by)).toBe('authorised');
    expect(await codeOf(token(), {}, by)).toBe('authorised');
    expect(await codeOf(token(), {}, by)).toBe('REPLAY_UNAVAILABLE');
    expect(await codeOf(first, {}, by)).toBe('TOKEN_REPLAYED');
  });

  test('a shared store that fails refuses', async () => {
    expect(await codeOf(token(), {}, verifierOf({ replay: { claim: () => Promise.reject(new Error('down')) } }))).toBe('REPLAY_UNAVAILABLE');
  });
});
