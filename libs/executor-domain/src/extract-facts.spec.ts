import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@exequatur/kernel';
import { extractFacts, judgeCall } from './index.js';
import type { CallFacts, Extractors } from './index.js';

const args = { to: ['a@x.example'], cc: 'b@x.example', amount: '42.00', cents: 0.5, limit: 100, model: 'small-1', nested: { people: ['c@x.example'] }, bad: [1] };

describe('what the bytes themselves say', () => {
  test('where nothing is declared, the usual fields name recipients', () => expect(extractFacts(args, {})).toEqual({ recipients: ['a@x.example', 'b@x.example'] }));
  test.each<[JsonValue]>([[[]], [{}], [{ to: [7] }], [{ to: '' }], ['a@x.example']])('%j names nobody that is known', (value) => expect(extractFacts(value, {})).toEqual({}));
  test('everything that is declared', () =>
    expect(extractFacts(args, { recipients: ['/nested/people', '/absent', '/cc'], amounts: { USD: '/amount', ROWS: '/limit' }, rows: '/limit', model: '/model' })).toEqual({
      recipients: ['c@x.example', 'b@x.example'],
      amounts: { USD_MICROCENTS: 4_200_000_000n, ROWS: 100n },
      rows: 100,
      model: 'small-1',
    }));
  test.each<[Extractors, string]>([
    [{ recipients: ['/absent'] }, '/absent'],
    [{ recipients: ['/bad'] }, '/bad'],
    [{ amounts: { USD: '/absent' } }, '/absent'],
    [{ amounts: { USD: '/to' } }, '/to'],
    [{ amounts: { TOKENS: '/cents' } }, '/cents'],
    [{ rows: '/amount' }, '/amount'],
    [{ rows: '/cents' }, '/cents'],
    [{ model: '/limit' }, '/limit'],
  ])('%j is declared and not there: refused', (extractors, pointer) => expect(extractFacts(args, extractors)).toMatchObject({ refused: true, code: 'CONNECTOR_REFUSED', pointer }));
});

describe('invariant 17: what the bytes say is what caps bound', () => {
  const grant = { amounts: [{ unit: 'USD_MICROCENTS', amount: '500' }], risk_points: 1, tool: { name: 'billing.refund' }, facts: { environment: 'staging' } };
  const judged = (caps: object, facts: Partial<CallFacts>, facing: typeof grant | { facts: object } = grant): string | undefined => judgeCall(caps, { ...grant, ...facing }, { host: 'tool.example:443', ...facts })?.because;

  test.each<[string, object, Partial<CallFacts>, string | undefined]>([
    ['an amount of the bytes within', { max_amount: { USD_MICROCENTS: '400' } }, { amounts: { USD_MICROCENTS: 400n } }, undefined],
    ['an amount of the bytes above the cap', { max_amount: { USD_MICROCENTS: '400' } }, { amounts: { USD_MICROCENTS: 401n } }, 'cap'],
    ['an amount of the bytes above what is held, without a cap', {}, { amounts: { USD_MICROCENTS: 501n } }, 'cap'],
    ['an amount nobody knows', { max_amount: { TOKENS: '400' } }, {}, 'cap'],
    ['an amount only the bytes know', { max_amount: { TOKENS: '400' } }, { amounts: { TOKENS: 400n } }, undefined],
    ['rows within', { row_limit: 10 }, { rows: 10 }, undefined],
    ['rows above', { row_limit: 10 }, { rows: 11 }, 'cap'],
    ['rows nobody knows', { row_limit: 10 }, {}, 'cap'],
    ['an allowed model', { models: ['small-1'] }, { model: 'small-1' }, undefined],
    ['another model', { models: ['small-1'] }, { model: 'large-1' }, 'cap'],
    ['a model nobody knows', { models: ['small-1'] }, {}, 'cap'],
    ['an allowed tool', { tools: ['billing.refund'] }, {}, undefined],
    ['another tool', { tools: ['billing.read'] }, {}, 'cap'],
    ['the environment that was granted', { environments: ['staging'] }, {}, undefined],
    ['another one', { environments: ['dev'] }, {}, 'cap'],
    ['a connector that reaches the granted one', { environments: ['staging'] }, { environment: 'staging' }, undefined],
    ['a connector that reaches another one', { environments: ['staging', 'prod'] }, { environment: 'prod' }, 'refused'],
  ])('%s', (_, caps, facts, because) => expect(judged(caps, facts)).toBe(because));

  test('where the grant names no environment, the connector’s counts', () => {
    expect(judged({ environments: ['prod'] }, { environment: 'prod' }, { facts: {} })).toBeUndefined();
    expect(judged({ environments: ['staging'] }, { environment: 'prod' }, { facts: {} })).toBe('cap');
    expect(judged({ environments: ['staging'] }, {}, { facts: {} })).toBe('cap');
  });
});
