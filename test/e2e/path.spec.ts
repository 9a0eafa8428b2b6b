import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateSigningKey } from '@exequatur/audit-chain';
import type { TrustedKeys } from '@exequatur/audit-chain';
import { verifyReceipt } from '@exequatur/audit-verify';
import { AuthorizationVerifier, canonicalArguments, JwksKeys } from '@exequatur/authority-verify';
import { startHttpTool } from '@exequatur/local-servers';
import { ActionDenied, ApprovalPending, ExequaturClient, governed, NoEffect, OutcomeUnknown, resumeGoverned } from '@exequatur/sdk';
import type { ActionView, GovernedOptions, Proposed, Reserved } from '@exequatur/sdk';
import { askingAt, until } from './asking.js';
import type { Answer, Ask } from './asking.js';
import { signedProposal } from './hostile/signed-proposal.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;

/** The whole path over HTTP, each of its ends with a receipt. Everything here knows only docs/reference. */
describe('the whole path', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;
  let ask: Ask;
  let agent: string;
  let approver: string;
  let operator: string;
  let auditor: string;
  let scope: string;
  let run = 0;

  beforeAll(async () => {
    standalone = await startStandalone(directory.path);
    ask = askingAt(standalone.origin);
    ({ agent, approver, operator, auditor, scope_path: scope } = standalone.credentials);
  }, SLOW);
  afterAll(async () => {
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const mail = (more: object = {}): Record<string, unknown> => ({
    scope_path: scope, run_id: `run-${(run += 1)}`, action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, target: 'customer@example.com',
    arguments: { to: 'customer@example.com', subject: 'Hello', text: 'Hello' }, environment: 'prod', reasoning: 'Asked for it.', reversal: { reason: 'A sent mail cannot be taken back.' }, execution_mode: 'self', ...more,
  });
  const research = (more: object = {}): Record<string, unknown> => ({ scope_path: scope, run_id: `run-${(run += 1)}`, action_kind: 'research.search', tool: { name: 'search.web', version: '1.0' }, arguments: { query: 'Hamburg' }, execution_mode: 'self', ...more });
  const propose = async (proposal: unknown): Promise<Proposed> => {
    const answer = await ask<Proposed>(agent, 'POST /v1/actions', proposal);
    expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
    return answer.body;
  };
  const view = async (actionId: string): Promise<ActionView> => (await ask<ActionView>(agent, `GET /v1/actions/${actionId}`)).body;
  const reaching = (actionId: string, ...statuses: string[]): Promise<ActionView> => until(() => view(actionId), ({ status }) => statuses.includes(status), `${statuses.join(' or ')} of ${actionId}`);
  const card = (approvalId = ''): Promise<Answer<{ view_hash: string; status: string }>> => until(() => ask(approver, `GET /v1/approvals/${approvalId}`), ({ status }) => status === 200, 'the card');
  const decide = async (decision: 'approve' | 'reject' | 'respond', approvalId = '', more: object = {}): Promise<Answer> => {
    const seen = await card(approvalId);
    return ask(approver, `POST /v1/approvals/${approvalId}/${decision}`, { view_hash: seen.body.view_hash, ...more }, { 'if-match': seen.headers.get('etag') ?? '' });
  };
  const useOf = (proposal: Record<string, unknown>, granted: Pick<ActionView, 'grant' | 'target_hash' | 'granted_arguments_hash'> & { arguments_hash?: string }): Record<string, unknown> => ({
    grant: granted.grant, execution_mode: 'self', scope_path: scope, run_id: proposal['run_id'], action_kind: proposal['action_kind'], tool: proposal['tool'],
    ...(granted.target_hash === undefined ? {} : { target_hash: granted.target_hash }), arguments_hash: granted.granted_arguments_hash ?? granted.arguments_hash, ...(proposal['environment'] === undefined ? {} : { environment: proposal['environment'] }),
  });
  /** Every end has one, and each verifies alone. */
  const receiptWith = async (actionId: string, outcome: string): Promise<Answer> => {
    const answer = await until(() => ask(auditor, `GET /v1/receipts/${actionId}`), ({ body }) => body['outcome'] === outcome && JSON.stringify(body).includes('"proof"') && !JSON.stringify(body).includes('"pending":true'), `a receipt that says ${outcome}, with its proofs`);
    const trustedKeys = JSON.parse(readFileSync(join(standalone.dataDir, 'secrets', 'trusted-keys.json'), 'utf8')) as TrustedKeys;
    const { result, violations } = verifyReceipt(answer.bytes, { trustedKeys });
    expect({ outcome, result, violations }).toEqual({ outcome, result: 'valid', violations: [] });
    return answer;
  };

  test('approved, reserved, started, committed: executed; the receipt has a proof for every event', async () => {
    const proposal = mail();
    const { action_id, approval_id, verdict } = await propose(proposal);
    expect(verdict).toBe('REQUIRE_APPROVAL');
    expect((await decide('approve', approval_id, { rationale: 'Known customer' })).status).toBe(200);
    const granted = await reaching(action_id, 'granted');
    const reserved = await ask<Reserved>(agent, 'POST /v1/reservations', useOf(proposal, granted));
    expect(reserved.status).toBe(201);
    const at = `/v1/reservations/${reserved.body.reservation_id}` as const;
    expect((await ask(agent, `POST ${at}/start`)).status).toBe(200);
    expect(await ask(agent, `POST ${at}/outcome`, { status: 'SUCCEEDED', provider_request_id: 'mail-1' })).toMatchObject({ status: 200, body: { status: 'committed' } });
    expect((await ask(agent, 'POST /v1/reservations', useOf(proposal, granted))).body).toMatchObject({ code: 'GRANT_EXHAUSTED', status: 409 });
    await reaching(action_id, 'executed');
    const { body } = await receiptWith(action_id, 'executed');
    expect((body['steps'] as { type: string }[]).map(({ type }) => type.split('.')[3])).toEqual(expect.arrayContaining(['ActionProposed', 'ApprovalRequired', 'ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted', 'ReservationHeld', 'ReservationStarted', 'ReservationCommitted']));
  }, SLOW);

  test('X5: a tool lets through what the authority signed for it, once, and nothing else', async () => {
    const proposal = research();
    const proposed = await propose(proposal);
    const { body } = await ask<Reserved>(agent, 'POST /v1/reservations', useOf(proposal, proposed));
    const verifier = new AuthorizationVerifier({ keys: new JwksKeys({ url: `${standalone.origin}/.well-known/jwks.json` }) });
    const bytesOf = (args: unknown): Uint8Array => {
      const canonical = canonicalArguments(Buffer.from(JSON.stringify(args)));
      if ('refused' in canonical) throw new Error('these arguments have one meaning');
      return canonical.bytes;
    };
    const call = { tenant: 'acme', tool: { name: 'search.web', version: '1.0' }, salt: proposed.salt, argumentBytes: bytesOf(proposal['arguments']) };
    expect(await verifier.verify(body.authorization, { ...call, argumentBytes: bytesOf({ query: 'Bremen' }) })).toMatchObject({ refused: true, code: 'ARGUMENTS_MISMATCH' });
    expect(await verifier.verify(body.authorization, { ...call, tool: { name: 'mailer.send', version: '1.0' } })).toMatchObject({ refused: true, code: 'AUDIENCE_MISMATCH' });
    expect(await verifier.verify(body.authorization, call)).toMatchObject({ refused: false, authorization: { reservation_id: body.reservation_id, action_id: proposed.action_id, use_no: 1 } });
    expect(await verifier.verify(body.authorization, call)).toMatchObject({ refused: true, code: 'TOKEN_REPLAYED' });
  }, SLOW);

  test('P1: both doors give the same decision', async () => {
    const key = generateSigningKey('path').privateJwk;
    expect((await ask(standalone.adminToken, 'POST /v1/agents/outreach-agent/keys', { tenant: 'acme', key_id: key.kid, public_key: key.x })).status).toBe(201);
    const decision = ({ verdict, status, code, tier, rule_id, reason, policy_hash, stop_reason, caps }: Record<string, unknown>): object => ({ verdict, status, code, tier, rule_id, reason, policy_hash, stop_reason, caps });
    for (const proposal of [research(), mail(), research({ action_kind: 'crm.teleport' }), research({ action_kind: 'credentials.export' }), mail({ arguments: { to: 1 } })]) {
      const jti = `door-${String(proposal['run_id'])}`;
      const jws = signedProposal({ aud: 'exequatur.intake', tenant: 'acme', iss: 'outreach-agent', jti, exp: Math.floor(Date.now() / 1_000) + 600, proposal }, key);
      const published = await fetch(`${standalone.origin}/v1/intake`, { method: 'POST', headers: { 'content-type': 'application/jose' }, body: jws });
      expect([published.status, await published.json()]).toEqual([202, { status: 'published', tenant: 'acme', agent: 'outreach-agent', jti }]);
      const byMessage = await until(() => ask<{ items: Record<string, unknown>[] }>(agent, `GET /v1/actions?idempotency_key=${jti}`), ({ body }) => body.items.length === 1, `the decision on ${jti}`);
      const direct = await ask(agent, 'POST /v1/actions', proposal);
      expect(decision(byMessage.body.items[0] ?? {})).toEqual(decision(direct.body));
    }
  }, SLOW);

  test('invariant 21: the same key and body is answered byte for byte, another body is 422, and nothing is done twice', async () => {
    const key = { 'idempotency-key': 'twice' };
    const proposal = research();
    const first = await ask<Proposed>(agent, 'POST /v1/actions', proposal, key);
    const second = await ask(agent, 'POST /v1/actions', proposal, key);
    expect([second.status, second.bytes]).toEqual([first.status, first.bytes]);
    expect(await ask(agent, 'POST /v1/actions', research(), key)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
    const use = useOf(proposal, first.body);
    const [held, again] = [await ask(agent, 'POST /v1/reservations', use, key), await ask(agent, 'POST /v1/reservations', use, key)];
    expect([held.status, again.status, again.bytes]).toEqual([201, 201, held.bytes]);
    expect((await ask<{ items: unknown[] }>(agent, 'GET /v1/actions?idempotency_key=twice')).body.items).toHaveLength(1);
  }, SLOW);

  test('wait returns when the decision is there, and when its time is up', async () => {
    const { action_id, approval_id } = await propose(mail());
    const began = performance.now();
    expect((await ask(agent, `GET /v1/actions/${action_id}/wait?timeout=1s`)).body).toMatchObject({ status: 'awaiting_approval' });
    expect(performance.now() - began).toBeGreaterThan(900);
    const waited = async () => {
      const asked = performance.now();
      return { ...(await ask(agent, `GET /v1/actions/${action_id}/wait?timeout=60s`)), ms: performance.now() - asked };
    };
    const waiting = waited();
    await decide('approve', approval_id);
    // Once more where the decision took longer to come than one may wait at a time.
    const first = await waiting;
    const { body, ms } = first.body['status'] === 'awaiting_approval' ? await waited() : first;
    expect(body).toMatchObject({ status: 'granted', grant: expect.any(String) });
    // Because of the decision, not because its time was up.
    expect(ms).toBeLessThan(58_000);
  }, SLOW);

  test('rejected: the reason and the instruction reach the agent', async () => {
    const { action_id, approval_id } = await propose(mail());
    expect((await decide('reject', approval_id, { reason_code: 'wrong_target', reason: 'This customer left us.', instruction: 'abort' })).status).toBe(200);
    expect(await reaching(action_id, 'rejected')).toMatchObject({ stop_reason: 'approval_rejected', rejection: { reason_code: 'wrong_target', reason: 'This customer left us.', instruction: 'abort' } });
    await receiptWith(action_id, 'rejected');
  }, SLOW);

  test('answered: a person responds in place of the tool', async () => {
    const { action_id, approval_id } = await propose(mail());
    expect((await decide('respond', approval_id, { response: 'I called the customer instead.' })).status).toBe(200);
    expect(await reaching(action_id, 'answered')).toMatchObject({ response: 'I called the customer instead.' });
    await receiptWith(action_id, 'answered');
  }, SLOW);

  test('withdrawn: the request is cancelled and can no longer be approved', async () => {
    const { action_id, approval_id } = await propose(mail());
    await card(approval_id);
    expect((await ask(agent, `POST /v1/actions/${action_id}/withdraw`, { reason: 'No longer needed' })).status).toBe(200);
    await until(() => card(approval_id), ({ body }) => body.status === 'cancelled', 'the request being cancelled');
    expect((await decide('approve', approval_id)).body).toMatchObject({ code: 'ALREADY_DECIDED' });
    expect((await view(action_id)).status).toBe('withdrawn');
    await receiptWith(action_id, 'withdrawn');
  }, SLOW);

  test('denied and quarantined: nothing to reserve, and a receipt', async () => {
    const denied = await propose(research({ action_kind: 'credentials.export' }));
    expect(denied).toMatchObject({ verdict: 'DENY', code: 'POLICY_DENIED', stop_reason: 'policy_denied' });
    const quarantined = await propose(research({ action_kind: 'crm.teleport' }));
    expect(quarantined).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND', stop_reason: 'quarantined' });
    expect([denied.grant, quarantined.grant]).toEqual([undefined, undefined]);
    await receiptWith(denied.action_id, 'denied');
    await receiptWith(quarantined.action_id, 'quarantined');
  }, SLOW);

  test('frozen: FROZEN 423 until a person lifts it', async () => {
    const proposal = research();
    const allowed = await propose(proposal);
    const use = useOf(proposal, allowed);
    const freeze = await ask(operator, 'POST /v1/freezes', { scope: 'kind', value: 'research.search', reason: 'Looking into it' });
    expect([freeze.status, freeze.body['status']]).toEqual([201, 'fenced']);
    expect(await ask(agent, 'POST /v1/reservations', use)).toMatchObject({ status: 423, body: { code: 'FROZEN' } });
    await receiptWith(allowed.action_id, 'refused');
    expect((await ask(standalone.adminToken, `POST /v1/freezes/${String(freeze.body['freeze_id'])}/lift`, { reason: 'root may not' })).status).toBe(403);
    expect((await ask(operator, `POST /v1/freezes/${String(freeze.body['freeze_id'])}/lift`, { reason: 'Nothing found' })).body).toMatchObject({ status: 'lifted' });
    expect((await ask(agent, 'POST /v1/reservations', use)).status).toBe(201);
  }, SLOW);

  test('revoked before it is used: GRANT_REVOKED, and the agent sees it', async () => {
    const proposal = mail();
    const { action_id, approval_id } = await propose(proposal);
    await decide('approve', approval_id);
    const granted = await reaching(action_id, 'granted');
    expect((await ask(approver, `POST /v1/approvals/${approval_id}/revoke`, { reason: 'Changed my mind' })).status).toBe(200);
    await until(() => ask(operator, `GET /v1/grants/${granted.grant_id}`), ({ body }) => body['status'] === 'Revoked', 'the revocation taking effect');
    expect(await ask(agent, 'POST /v1/reservations', useOf(proposal, granted))).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
    await receiptWith(action_id, 'revoked');
  }, SLOW);

  test('managed, approved narrower: the tool receives exactly the narrowed bytes, once', async () => {
    const tool = await startHttpTool({});
    try {
      expect((await ask(operator, 'POST /v1/connectors', { tool: { name: 'billing.refund', version: '1.0' }, type: 'http', settings: { url: `${tool.url}/refunds`, private_networks: ['127.0.0.1'] }, credential: { bearer_token: 'never-seen' } })).status).toBe(201);
      const { action_id, approval_id, arguments_hash } = await propose(mail({ action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, target: 'customer-77', arguments: { account: 'customer-77', amount: '120.00' }, execution_mode: 'managed' }));
      expect((await decide('approve', approval_id, { caps: { max_amount: { USD_MICROCENTS: '4200000000' } } })).status).toBe(200);
      await reaching(action_id, 'executed');
      expect(tool.received.map(({ body }) => body.toString('utf8'))).toEqual(['{"account":"customer-77","amount":"42.00"}']);
      const seen = await view(action_id);
      const salt = Buffer.from((seen as unknown as { salt: string }).salt, 'base64url');
      expect(seen.granted_arguments_hash).toBe(`sha256:${createHash('sha256').update(salt).update('{"account":"customer-77","amount":"42.00"}').digest('hex')}`);
      expect(seen.granted_arguments_hash).not.toBe(arguments_hash);
      await receiptWith(action_id, 'executed');
    } finally {
      await tool.stop();
    }
  }, SLOW);

  describe('governed() of the SDK', () => {
    const options = (more: Partial<GovernedOptions<Record<string, unknown>>> = {}): GovernedOptions<Record<string, unknown>> => ({
      client: new ExequaturClient({ baseUrl: standalone.origin, apiKey: agent }), tool: { name: 'search.web', version: '1.0' }, action_kind: 'research.search', scope_path: scope, run_id: `run-${(run += 1)}`, ...more,
    });
    const mailing = (more: Partial<GovernedOptions<Record<string, unknown>>> = {}): GovernedOptions<Record<string, unknown>> => options({ tool: { name: 'mailer.send', version: '1.0' }, action_kind: 'message.email.send', target: (args) => String(args['to']), ...more });
    const letter = { to: 'customer@example.com', subject: 'Hello', text: 'Hello' };
    const thrownBy = async <T extends Error>(type: abstract new (...args: never[]) => T, work: Promise<unknown>): Promise<T> => {
      const thrown: unknown = await work.then((value) => new Error(`returned ${JSON.stringify(value)}`), (error: unknown) => error);
      if (!(thrown instanceof type)) throw thrown;
      return thrown;
    };
    const openFor = async (runId: string): Promise<string> => {
      const queue = await until(() => ask<{ items: { approval_id: string }[] }>(approver, `GET /v1/approvals?run=${runId}`), ({ body }) => body.items.length === 1, `the request of ${runId}`);
      return queue.body.items[0]?.approval_id ?? '';
    };

    test('allowed: the tool runs once, with what was granted', async () => {
      const calls: unknown[] = [];
      const found = await governed(async (args: Record<string, unknown>, reserved) => {
        calls.push([args, reserved.use_no]);
        return '3 contacts';
      }, options())({ query: 'Hamburg' });
      expect([found, calls]).toEqual(['3 contacts', [[{ query: 'Hamburg' }, 1]]]);
    }, SLOW);

    test('on_pending throw: ApprovalPending with where people decide; resumed once decided', async () => {
      const using = mailing();
      const send = async (): Promise<string> => 'sent';
      const pending = await thrownBy(ApprovalPending, governed(send, using)(letter));
      expect(pending.url).toMatch(new RegExp(`^${standalone.origin}/approvals/[0-9a-f-]{36}$`));
      await decide('approve', pending.url.split('/').at(-1));
      expect(await resumeGoverned(send, using, pending.action_id)).toBe('sent');
      await receiptWith(pending.action_id, 'executed');
    }, SLOW);

    test('on_pending wait: returns after the approval; a rejection is ActionDenied with the words of the reviewer', async () => {
      const [granted, refused] = [mailing({ on_pending: 'wait', wait_ms: 240_000 }), mailing({ on_pending: 'wait', wait_ms: 240_000 })];
      const sending = governed(async () => 'sent', granted)(letter);
      await decide('approve', await openFor(granted.run_id));
      expect(await sending).toBe('sent');
      let ran = false;
      const rejected = thrownBy(ActionDenied, governed(async () => (ran = true), refused)(letter));
      await decide('reject', await openFor(refused.run_id), { reason: 'Wrong customer', instruction: 'reroute' });
      expect(await rejected).toMatchObject({ stop_reason: 'approval_rejected', instruction: 'reroute: Wrong customer' });
      expect(ran).toBe(false);
    }, SLOW);

    test('denied and quarantined: ActionDenied before the tool is touched', async () => {
      let ran = false;
      const tool = async (): Promise<boolean> => (ran = true);
      expect(await thrownBy(ActionDenied, governed(tool, options({ action_kind: 'customer.delete' }))({}))).toMatchObject({ code: 'POLICY_DENIED', stop_reason: 'policy_denied' });
      expect(await thrownBy(ActionDenied, governed(tool, options({ action_kind: 'crm.teleport' }))({}))).toMatchObject({ code: 'QUARANTINED_UNKNOWN_KIND', stop_reason: 'quarantined' });
      expect(ran).toBe(false);
    }, SLOW);

    test('invariant 6: a tool that throws may have acted: OutcomeUnknown, and the hold stands', async () => {
      const unknown = await thrownBy(OutcomeUnknown, governed(async () => Promise.reject(new Error('the connection was lost')), options())({ query: 'x' }));
      expect((await ask(agent, `GET /v1/reservations/${unknown.reservation_id}`)).body).toMatchObject({ status: 'unknown' });
      await reaching(unknown.action_id, 'unknown');
      await receiptWith(unknown.action_id, 'unknown');
    }, SLOW);

    test('NoEffect: provably nothing happened, the hold is released', async () => {
      let reservation = '';
      await thrownBy(NoEffect, governed(async (_: Record<string, unknown>, reserved) => {
        reservation = reserved.reservation_id;
        throw new NoEffect('refused by the server before anything was sent');
      }, options())({ query: 'x' }));
      const { body } = await ask<{ status: string; action_id: string }>(agent, `GET /v1/reservations/${reservation}`);
      expect(body.status).toBe('released');
      await receiptWith(body.action_id, 'failed');
    }, SLOW);

    // The last here: it publishes a policy of its own.
    test('R5: a grant whose arguments may differ from use to use is used as it was approved; its receipt verifies', async () => {
      const source = `version: 1
classes: { pay: { kinds: [pay.steps], default: require_approval, on_silence: unknown, approval: { roles: [approver] }, caps: { max_uses: 3 }, varies: /amount } }
tools: { billing.steps: { kind: pay.steps, risk_points: 1, extract: { amount.STEPS: /amount }, bounded: [/amount] } }
`;
      const tenant = /^tenant:([^/]+)/.exec(scope)?.[1];
      const published = await ask<{ policy_hash: string }>(standalone.adminToken, 'POST /v1/policies', { tenant, source, reason: 'spec' });
      expect(published.status).toBe(201);
      await until(() => ask(standalone.adminToken, `GET /v1/policies/in-force?tenant=${tenant}`), ({ status, body }) => status === 200 && body['policy_hash'] === published.body.policy_hash, 'the policy in force');
      expect((await ask(standalone.adminToken, 'POST /v1/budgets', { tenant, scope_path: scope, unit: 'STEPS', cap: '100' })).status).toBe(201);
      const using = options({ tool: { name: 'billing.steps', version: '1.0' }, action_kind: 'pay.steps' });
      const calls: unknown[] = [];
      const pay = async (args: Record<string, unknown>, { caps: _caps, ...reserved }: Reserved): Promise<string> => {
        calls.push([args, reserved.use_no]);
        return 'paid';
      };
      const pending = await thrownBy(ApprovalPending, governed(pay, using)({ account: 'a-1', amount: 7 }));
      await decide('approve', pending.url.split('/').at(-1));
      expect(await resumeGoverned(pay, using, pending.action_id)).toBe('paid');
      expect(calls).toEqual([[{ account: 'a-1', amount: 7 }, 1]]);
      await receiptWith(pending.action_id, 'executed');
    }, SLOW);
  });
});
