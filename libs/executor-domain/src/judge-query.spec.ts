import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@exequatur/kernel';
import { judgeQuery } from './index.js';
import type { QueryMapping } from './index.js';

const KEY = 'effect-1';
const byStatus: QueryMapping = { executed: { status: [200] }, not_executed: { status: [404] }, effect_key: '/key', provider_request_id: '/id' };
const byState: QueryMapping = { executed: { status: [200], pointer: '/state', values: ['done', '7', 'true'] }, not_executed: { status: [200], pointer: '/state', values: ['none'] } };
const byList: QueryMapping = { executed: { status: [200], pointer: '/data/0' }, not_executed: { status: [200], pointer: '/data/0', absent: true } };

describe('invariant 6: only a clear answer of the tool settles', () => {
  test.each<[QueryMapping, number, JsonValue | undefined, object]>([
    [byStatus, 200, { key: KEY, id: 'r-1' }, { verdict: 'executed', providerRequestId: 'r-1' }],
    [byStatus, 200, { key: KEY }, { verdict: 'executed' }],
    [byStatus, 200, { key: 'another', id: 'r-1' }, { verdict: 'unclear' }],
    [byStatus, 200, { id: 'r-1' }, { verdict: 'unclear' }],
    [byStatus, 200, undefined, { verdict: 'unclear' }],
    [byStatus, 404, undefined, { verdict: 'not_executed' }],
    [byStatus, 401, { key: KEY }, { verdict: 'unclear' }],
    [byStatus, 500, { key: KEY }, { verdict: 'unclear' }],
    [byStatus, 302, undefined, { verdict: 'unclear' }],
    [byState, 200, { state: 'done' }, { verdict: 'executed' }],
    [byState, 200, { state: 7 }, { verdict: 'executed' }],
    [byState, 200, { state: true }, { verdict: 'executed' }],
    [byState, 200, { state: 'none' }, { verdict: 'not_executed' }],
    [byState, 200, { state: 'pending' }, { verdict: 'unclear' }],
    [byState, 200, { state: { done: 1 } }, { verdict: 'unclear' }],
    [byState, 200, {}, { verdict: 'unclear' }],
    [byState, 404, { state: 'none' }, { verdict: 'unclear' }],
    [byList, 200, { data: [{ id: 1 }] }, { verdict: 'executed' }],
    [byList, 200, { data: [] }, { verdict: 'not_executed' }],
    [byList, 200, undefined, { verdict: 'unclear' }],
    [{ executed: { status: [200] } }, 404, undefined, { verdict: 'unclear' }],
    [{ executed: { status: [200] }, not_executed: { status: [200] } }, 200, {}, { verdict: 'unclear' }],
  ])('%j: %i %j', (mapping, status, body, verdict) => expect(judgeQuery(mapping, KEY, { status, ...(body === undefined ? {} : { body }) })).toEqual(verdict));
});
