import { sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateSigningKey, importSigningKey } from '@exequatur/audit-chain';
import { INTAKE_TOPIC } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import type { Transport } from '@exequatur/messaging';
import { TRANSPORT } from '@exequatur/service-kit';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { eventually, mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed } from '../spec/policy-bed.js';

describe('the intake topic', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  const key = generateSigningKey('agent');
  const stranger = generateSigningKey('stranger');
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme'));
    await bed.tenant('globex');
    await bed.post('/v1/agents/outreach-agent/keys', { tenant: 'acme', key_id: 'signing-1', public_key: key.publicJwk.x }, bed.root);
    await bed.post('/v1/agents/outreach-agent/keys', { tenant: 'acme', key_id: 'revoked-1', public_key: key.publicJwk.x }, bed.root);
    await bed.post('/v1/agents/outreach-agent/keys/revoked-1/revoke', { tenant: 'acme' }, bed.root);
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const inAnHour = (): number => Math.floor(Date.now() / 1_000) + 3_600;
  const claimsOf = (change: Record<string, unknown> = {}) => ({ aud: 'exequatur.intake', tenant: 'acme', iss: 'outreach-agent', jti: newId(), exp: inAnHour(), proposal: proposalOf('acme'), ...change });
  const jwsOf = (claims: object, { kid = 'signing-1', by = key } = {}): string => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'EdDSA', typ: 'exq-intake+jwt', kid })}.${part(claims)}`;
    return `${signed}.${sign(null, Buffer.from(signed), importSigningKey(by.privateJwk).privateKey).toString('base64url')}`;
  };
  const publish = (jws: string, contentType = 'application/jose'): Promise<Response> => fetch(`${bed.origin}/v1/intake`, { method: 'POST', headers: { 'content-type': contentType }, body: jws });
  /** As an agent with access to the bus does it: nothing stands before the topic. */
  const straight = (jws: string): Promise<void> => bed.service.app.get<Transport>(TRANSPORT, { strict: false }).publisher.publish(INTAKE_TOPIC.name, [{ key: 'acme/outreach-agent', value: Buffer.from(jws), headers: {} }]);
  const found = (jti: string) => bed.get<{ items: Record<string, unknown>[] }>(`/v1/actions?idempotency_key=${jti}`, agent);
  const letters = async (): Promise<readonly string[]> => (await bed.topic('exequatur.dead-letters.policy.v1')).map(({ headers }) => headers['exq-dead-reason'] ?? '');

  test.each([
    ['research', () => proposalOf('acme')],
    ['a mail', () => mailTo('acme', 'ann@customer.example')],
    ['an unknown kind', () => proposalOf('acme', { action_kind: 'unknown.call' })],
    ['a prohibited kind', () => proposalOf('acme', { action_kind: 'credentials.export' })],
  ])('P1: %s gets the same decision through both doors', async (_, proposal) => {
    const claims = claimsOf({ proposal: proposal() });
    expect((await publish(jwsOf(claims))).status).toBe(202);
    const { body } = await eventually(() => found(claims.jti), ({ body: { items } }) => items.length === 1);
    const direct = await bed.post('/v1/actions', proposal(), agent);
    const decision = ({ verdict, status, code, tier, rule_id, reason, policy_hash, caps, stop_reason }: Record<string, unknown>) => ({ verdict, status, code, tier, rule_id, reason, policy_hash, caps, stop_reason });
    expect(decision(body.items[0] ?? {})).toEqual(decision(direct.body));
    expect(body.items[0]).toMatchObject({ door: 'intake' });
  });

  test('the key is shared with HTTP: the same proposal through both doors is one action', async () => {
    const claims = claimsOf();
    await publish(jwsOf(claims));
    const { body } = await eventually(() => found(claims.jti), ({ body: { items } }) => items.length === 1);
    const again = await bed.post('/v1/actions', claims.proposal, agent, { 'idempotency-key': claims.jti });
    expect(again).toMatchObject({ status: 201, body: { action_id: body.items[0]?.['action_id'] } });
    expect(await bed.post('/v1/actions', mailTo('acme', 'x@y.example'), agent, { 'idempotency-key': claims.jti })).toMatchObject({ status: 422 });
  });

  test('invariant 21: the same message again adds nothing', async () => {
    const jws = jwsOf(claimsOf({ jti: 'twice-1' }));
    await publish(jws);
    await publish(jws);
    const last = claimsOf();
    await publish(jwsOf(last));
    await eventually(() => found(last.jti), ({ body: { items } }) => items.length === 1);
    expect((await eventually(() => found('twice-1'), ({ body: { items } }) => items.length > 0)).body.items).toHaveLength(1);
  });

  test.each<[string, () => string, string]>([
    ['another key than the one it names', () => jwsOf(claimsOf(), { by: stranger }), 'UNAUTHENTICATED: the signature does not hold'],
    ['an unknown key', () => jwsOf(claimsOf(), { kid: 'nobody' }), 'UNAUTHENTICATED: signed by no key that is registered for this agent'],
    ['a revoked key', () => jwsOf(claimsOf(), { kid: 'revoked-1' }), 'UNAUTHENTICATED: signed by no key that is registered for this agent'],
    ['invariant 18: another tenant’s name', () => jwsOf(claimsOf({ tenant: 'globex' })), 'UNAUTHENTICATED: signed by no key that is registered for this agent'],
    ['a time that has passed', () => jwsOf(claimsOf({ exp: 1_700_000_000 })), 'UNAUTHENTICATED: expired'],
    ['a time far away', () => jwsOf(claimsOf({ exp: inAnHour() + 90_000 })), 'UNAUTHENTICATED: exp is more than 24 hours away'],
    ['another tenant’s scope', () => jwsOf(claimsOf({ proposal: proposalOf('globex') })), 'FORBIDDEN: scope_path is outside the scope of this agent (/scope_path)'],
    ['a body that is no proposal', () => jwsOf(claimsOf({ proposal: { hello: 1 } })), 'INVALID: '],
  ])('published straight on the topic with %s it becomes a dead letter with its reason', async (_, jws, reason) => {
    const before = (await letters()).length;
    const value = jws();
    await straight(value);
    await eventually(letters, (all) => all.length > before);
    const letter = (await bed.topic('exequatur.dead-letters.policy.v1')).find((one) => one.value.toString() === value);
    expect(letter?.headers['exq-dead-reason']).toContain(reason);
  });

  test.each<[string, () => string, string, number, string]>([
    ['another key than the one it names', () => jwsOf(claimsOf(), { by: stranger }), 'application/jose', 401, 'UNAUTHENTICATED'],
    ['a revoked key', () => jwsOf(claimsOf(), { kid: 'revoked-1' }), 'application/jose', 401, 'UNAUTHENTICATED'],
    ['invariant 18: another tenant’s name', () => jwsOf(claimsOf({ tenant: 'globex' })), 'application/jose', 401, 'UNAUTHENTICATED'],
    ['a time that has passed', () => jwsOf(claimsOf({ exp: 1_700_000_000 })), 'application/jose', 401, 'UNAUTHENTICATED'],
    ['no JWS', () => 'hello', 'application/jose', 400, 'MALFORMED'],
    ['another content type', () => jwsOf(claimsOf()), 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['alg none', () => `${Buffer.from('{"alg":"none","kid":"signing-1"}').toString('base64url')}.${Buffer.from(JSON.stringify(claimsOf())).toString('base64url')}.AA`, 'application/jose', 422, 'INVALID'],
    ['another audience', () => jwsOf(claimsOf({ aud: 'somewhere' })), 'application/jose', 422, 'INVALID'],
    ['duplicate keys', () => `${Buffer.from('{"alg":"EdDSA","alg":"EdDSA","kid":"k"}').toString('base64url')}.e30.AA`, 'application/jose', 400, 'MALFORMED'],
    ['too many bytes', () => `a.${'b'.repeat(400_000)}.c`, 'application/jose', 413, 'TOO_LARGE'],
  ])('the HTTP door refuses %s', async (_, body, contentType, status, code) => {
    const reply = await publish(body(), contentType);
    expect(reply.status).toBe(status);
    expect(await reply.json()).toMatchObject({ code });
  });
});
