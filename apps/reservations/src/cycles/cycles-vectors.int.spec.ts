import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CYCLES_IS_HERE, CyclesProtocol } from '../spec/cycles-protocol.js';
import type { CyclesVector } from '../spec/cycles-protocol.js';
import { Installation } from '../spec/installation.js';

const QUOTA = 'quotas count calls; here they are velocity rules of a policy, which governed actions meet and holds on budget do not';
const KINDS = 'which kinds may run is the policy’s, asked by POST /v1/actions; a hold on budget allows nothing to run';

/** Vectors that this surface does not decide as they say, each with the reason. The others are run. */
const NOT_MAPPED: Readonly<Record<string, string>> = {
  deny_action_kind_denied: KINDS,
  deny_action_kind_not_allowed: KINDS,
  deny_risk_class_quota: QUOTA,
  deny_per_kind_quota: QUOTA,
  observe_mode_deny: QUOTA,
  deny_burst_per_minute: QUOTA,
  deny_agent_spawn_quota: QUOTA,
};

/** Said in other words, since the published schema has no observe_mode: to look and change nothing is a dry run. */
const AS_DRY_RUN = ['observe_mode_allow', 'per_request_observe_override'];

/** Of the twelve requests and answers, those that the OpenAPI published with them takes. */
const VALID_REQUESTS = 7;
const VALID_ON_BOTH_SIDES = ['deny_agent_spawn_quota', 'deny_budget_exceeded', 'deny_burst_per_minute'];

if (CYCLES_IS_HERE) {
  describe('the 12 vectors of the Cycles protocol as decision tables', () => {
    const protocol = new CyclesProtocol();
    const vectors = CyclesProtocol.vectors();
    const mapped = vectors.filter(({ id }) => !Object.hasOwn(NOT_MAPPED, id));
    let here: Installation;
    beforeAll(async () => {
      here = await Installation.start();
      await here.budget('1000000', 'tenant:acme', 'USD_MICROCENTS');
      await here.budget('50000', 'tenant:acme/agent:support-bot', 'USD_MICROCENTS');
    });
    afterAll(() => here.stop());

    test('each is run, or listed with the reason why not', () => {
      expect(vectors).toHaveLength(12);
      expect(Object.keys(NOT_MAPPED).filter((id) => !vectors.some((vector) => vector.id === id))).toEqual([]);
      expect(mapped.map(({ id }) => id)).toEqual(['allow_happy_path', 'deny_budget_exceeded', 'observe_mode_allow', 'threshold_crossing', 'per_request_observe_override']);
    });

    test('three of them validate on both sides against their own OpenAPI: they are decisions, not wire shapes', () => {
      const valid = ({ request, response }: CyclesVector): readonly [boolean, boolean] => [
        protocol.faultsOfRequest('POST', request.path, request.body).length === 0,
        protocol.faultsOfAnswer('POST', request.path, response.status, response.body).length === 0,
      ];
      expect(vectors.filter((vector) => valid(vector)[0])).toHaveLength(VALID_REQUESTS);
      expect(vectors.filter((vector) => valid(vector).every(Boolean)).map(({ id }) => id).sort()).toEqual(VALID_ON_BOTH_SIDES);
    });

    test.each(mapped.map((vector) => [vector.id, vector] as const))('%s', async (id, { request, response }) => {
      const { observe_mode: _mode, ...body } = request.body;
      const { policy_keys: _keys, ...action } = body['action'] as Record<string, unknown>;
      const dryRun = AS_DRY_RUN.includes(id);
      const sent = { ...body, action, ...(dryRun ? { dry_run: true } : {}) };
      expect(protocol.faultsOfRequest('POST', request.path, sent)).toEqual([]);
      const before = await here.count("SELECT FROM event WHERE aggregate = 'reservation'");
      const answer = await fetch(`${here.origin}/cycles${request.path}`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-cycles-api-key': here.agentToken('acme'), 'x-idempotency-key': String(sent['idempotency_key' as keyof typeof sent]) }, body: JSON.stringify(sent) });
      const said = (await answer.json()) as Record<string, unknown>;
      expect(protocol.faultsOfAnswer('POST', request.path, answer.status, said)).toEqual([]);
      const expected = response.body;
      expect({ status: answer.status, decision: said['decision'], error: said['error'], reserved: said['reserved'] }).toEqual({ status: response.status, decision: expected['decision'], error: expected['error'], reserved: expected['reserved'] });
      expect('reservation_id' in said).toBe('reservation_id' in expected);
      if (expected['error'] !== undefined) expect(said['details']).toEqual({ deny_detail: { reason_code: expected['error'] } });
      if (dryRun) expect(await here.count("SELECT FROM event WHERE aggregate = 'reservation'")).toBe(before);
    });
  });
} else {
  test('left out: the vectors of the Cycles protocol are not on this machine', () => {
    expect(CYCLES_IS_HERE).toBe(false);
  });
}
