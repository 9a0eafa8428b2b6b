import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import type { JsonValue } from '@exequatur/kernel';
import { ExecutorBed, POLICY } from '../spec/executor-bed.js';
import type { Passage } from '../spec/reservations-door.js';

const TOOL = { name: 'billing.refund', version: '1' };
const PROD_TOOL = { name: 'prod.refund', version: '1' };
const facts = { tenant: 'acme', scope_path: 'tenant:acme/app:outreach', agent: 'mailer', run_id: 'run-1', action_kind: 'mail.send', tool: TOOL, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: 'managed' } as const;

/** Reliability scenario 6 at the executor, and X4: what runs is what was granted, under what holds now. */
describe('between the grant and the effect', () => {
  let bed: ExecutorBed;
  let tool: HttpTool;
  let origin: string;

  beforeAll(async () => {
    bed = await ExecutorBed.start();
    tool = await startHttpTool();
    ({ origin } = await bed.executor());
    const extract = { recipients: ['/people'], amounts: { USD: '/amount' }, rows: '/limit', model: '/model' };
    await bed.connect(origin, TOOL, { type: 'http', settings: { url: tool.url, extract } });
    await bed.connect(origin, PROD_TOOL, { type: 'http', settings: { url: tool.url, environment: 'prod' } });
  });
  afterAll(async () => {
    await bed.stop();
    await tool.stop();
  });
  beforeEach(() => bed.door.pass(() => 'through'));

  const ARGUMENTS = { people: 'a@x.example', amount: '4.00', limit: 10, model: 'small-1' };
  const effectsOf = (key: string) => tool.effects.filter((effect) => effect.key === key);
  const endOf = async (executionId: string): Promise<readonly [string | undefined, unknown]> => {
    const last = (await bed.ended(executionId)).at(-1);
    return [last?.name, last?.data['code']];
  };
  /** Something happens after the grant, before reservations is asked. */
  const meanwhile = (change: () => Promise<void>): void => {
    const first = bed.door.asks.length + 1;
    bed.door.pass(async (nth): Promise<Passage> => {
      if (nth === first) await change();
      return 'through';
    });
  };

  test('invariant 3: other arguments than the grant’s hash names are not sent', async () => {
    const { executionId } = await bed.allow(ARGUMENTS, { tool: TOOL, granted_arguments_hash: `sha256:${'1'.repeat(64)}` });
    expect(await endOf(executionId)).toEqual(['ExecutionSkipped', 'ARGUMENTS_MISMATCH']);
    expect(effectsOf(executionId)).toEqual([]);
  });

  test('invariant 3: a grant for another tool version finds no connector', async () => {
    const { executionId } = await bed.allow(ARGUMENTS, { tool: { ...TOOL, version: '2' } });
    expect(await endOf(executionId)).toEqual(['ExecutionSkipped', 'CONNECTOR_UNKNOWN']);
  });

  describe('invariant 17: what the bytes say is held to the caps', () => {
    test.each<[string, object, JsonValue, string]>([
      ['an amount', { max_amount: { USD_MICROCENTS: '399999999' } }, ARGUMENTS, 'CAP_EXCEEDED'],
      ['a recipient', { allowed_recipients: ['*@y.example'] }, ARGUMENTS, 'CAP_EXCEEDED'],
      ['a recipient in a list', { allowed_recipients: ['a@x.example'] }, { ...ARGUMENTS, people: ['a@x.example', 'b@x.example'] }, 'CAP_EXCEEDED'],
      ['rows', { row_limit: 9 }, ARGUMENTS, 'CAP_EXCEEDED'],
      ['a model', { models: ['large-1'] }, ARGUMENTS, 'CAP_EXCEEDED'],
      ['an environment', { environments: ['staging'] }, ARGUMENTS, 'CAP_EXCEEDED'],
      ['what is not where the connector looks', {}, { ...ARGUMENTS, amount: 'all of it' }, 'CONNECTOR_REFUSED'],
    ])('%s', async (_, caps, args, code) => {
      const { executionId } = await bed.allow(args, { tool: TOOL, caps });
      expect((await endOf(executionId))[1]).toBe(code);
      expect(effectsOf(executionId)).toEqual([]);
    });

    test('more than was granted and held', async () => {
      const { executionId } = await bed.allow(ARGUMENTS, { tool: TOOL, amounts: [{ unit: 'USD_MICROCENTS', amount: '0' }] });
      expect(await endOf(executionId)).toEqual(['ExecutionFailed', 'CAP_EXCEEDED']);
    });

    test('all of them kept: it runs', async () => {
      const caps = { allowed_recipients: ['*@x.example'], row_limit: 10, models: ['small-1'], tools: [TOOL.name], network_allowlist: ['127.0.0.1'] };
      const { executionId } = await bed.allow(ARGUMENTS, { tool: TOOL, caps });
      expect((await endOf(executionId))[0]).toBe('ExecutionSucceeded');
      expect(effectsOf(executionId)).toHaveLength(1);
    });

    test('granted for staging, and the connector reaches prod', async () => {
      const { executionId } = await bed.allow({}, { tool: PROD_TOOL, facts: { ...facts, tool: PROD_TOOL, environment: 'staging' } });
      expect(await endOf(executionId)).toEqual(['ExecutionFailed', 'CONNECTOR_REFUSED']);
      expect(effectsOf(executionId)).toEqual([]);
    });
  });

  test('invariant 13: a policy that denies now beats the grant', async () => {
    const kinds = [{ id: 'stop', match: { kind: 'mail.send' }, decision: 'deny', reason: 'no longer' }];
    meanwhile(() => bed.publishPolicy(2, { ...POLICY, rules: kinds }));
    const { executionId } = await bed.allow(ARGUMENTS, { tool: TOOL });
    expect(await endOf(executionId)).toEqual(['ExecutionSkipped', 'POLICY_CHANGED_DENY']);
    expect(effectsOf(executionId)).toEqual([]);
  });

  test('invariants 13 and 17: a policy that caps now holds at the effect', async () => {
    await bed.publishPolicy(3, POLICY);
    const capped = [{ id: 'ours-only', match: { kind: 'mail.send' }, decision: 'allow_with_caps', caps: { allowed_recipients: ['*@y.example'] }, reason: 'ours only' }];
    meanwhile(() => bed.publishPolicy(4, { ...POLICY, rules: capped }));
    const { executionId } = await bed.allow(ARGUMENTS, { tool: TOOL });
    expect(await endOf(executionId)).toEqual(['ExecutionFailed', 'CAP_EXCEEDED']);
    expect(effectsOf(executionId)).toEqual([]);
  });
});
