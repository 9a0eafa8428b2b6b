import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { Installation, type Asked } from '../spec/installation.js';
import { SORTINGS, type Sorting } from './sortings.js';

const HOUR = 3_600_000;

interface Entry {
  readonly approval_id: string;
  readonly opened_at: string;
}

describe('the queue in other orders', () => {
  let here: Installation;
  const asked: Asked[] = [];
  beforeAll(async () => {
    here = await Installation.start();
    const { facts } = (await here.ask({ tenant: 'globex' })).request;
    const as = (agent: string, risk_points: number, amounts: typeof facts.amounts, hours: number): Promise<Asked> =>
      here.ask({ expiresInMs: hours * HOUR, more: { facts: { ...facts, tenant: 'acme', scope_path: 'tenant:acme/workspace:support', agent, risk_points, amounts } } });
    const usd = (amount: string): typeof facts.amounts => [{ unit: 'USD_MICROCENTS', amount }];
    // Opened in this order; each two neighbours of one sorting are none of another.
    asked.push(await as('b-bot', 10, usd('900'), 3), await as('a-bot', 90, [], 5), await as('b-bot', 90, usd('1000'), 2), await as('a-bot', 10, [{ unit: 'CREDITS', amount: '7' }], 1), await as('c-bot', 50, usd('1000'), 4));
  });
  afterAll(() => here.stop());

  const list = async (query: string, tenant = 'acme') => {
    const { status, body } = await here.call('GET', `/v1/approvals?${query}`, here.personToken('fiona', tenant));
    return { status, items: (body['items'] ?? []) as readonly Entry[], next: body['next_cursor'] as string | null, errors: body['errors'] };
  };
  const placesOf = (items: readonly Entry[]): readonly number[] => items.map(({ approval_id }) => asked.findIndex(({ request }) => request.approval_id === approval_id));

  test.each<[Sorting, readonly number[]]>([
    ['deadline', [3, 2, 0, 4, 1]],
    ['oldest', [0, 1, 2, 3, 4]],
    ['risk', [2, 1, 4, 3, 0]],
    ['agent', [3, 1, 2, 0, 4]],
    // CREDITS before USD; of two equal amounts what expires first; none last.
    ['amount', [3, 2, 4, 0, 1]],
  ])('A7: sorted by %s', async (sort, expected) => {
    expect(placesOf((await list(`sort=${sort}`)).items)).toEqual(expected);
    const paged: Entry[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await list(`sort=${sort}&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      paged.push(...page.items);
      cursor = page.next;
    }
    expect(placesOf(paged)).toEqual(expected);
  });

  test('A7: pages stay what they are when requests come and go between them, with ties in every key', async () => {
    const INSERT = `INSERT INTO approval_request SELECT (jsonb_populate_record(r, jsonb_build_object('approval_id', gen_random_uuid(), 'risk_points', n % 3, 'amount', n % 2, 'agent', 'bot-' || n % 4, 'opened_at', date_trunc('second', r.opened_at) + n % 5 * interval '1 second'))).* FROM approval_request r, generate_series(1, $1) AS n WHERE r.tenant = 'globex' AND r.status = 'open' AND r.version = 1 ORDER BY r.opened_at LIMIT $1`;
    await here.rows(INSERT, [40]);
    for (const sort of SORTINGS) {
      const before = new Set((await list('limit=200', 'globex')).items.map(({ approval_id }) => approval_id));
      const seen: string[] = [];
      let ended = '';
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await list(`sort=${sort}&limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`, 'globex');
        seen.push(...page.items.map(({ approval_id }) => approval_id));
        if (cursor === '') {
          // What stood last on the page is decided elsewhere, and others are asked.
          ended = seen.at(-1) ?? '';
          await here.rows("UPDATE approval_request SET status = 'granted' WHERE approval_id = $1", [ended]);
          await here.rows(INSERT, [5]);
        }
        cursor = page.next;
      }
      expect([sort, seen.length - new Set(seen).size, [...before].filter((id) => !seen.includes(id))]).toEqual([sort, 0, []]);
      expect(before.has(ended)).toBe(true);
    }
  });

  test('A7: another order, a cursor of another order, and an order of what has ended are refused by name', async () => {
    expect(await list('sort=newest')).toMatchObject({ status: 422, errors: [{ pointer: '/sort' }] });
    for (const query of ['sort=risk&include_resolved=true', 'sort=oldest&status=granted']) expect([query, await list(query)]).toMatchObject([query, { status: 422, errors: [{ pointer: '/sort' }] }]);
    expect((await list('sort=deadline&include_resolved=true')).status).toBe(200);
    const { next } = await list('sort=risk&limit=1');
    for (const sort of ['deadline', 'oldest', 'agent', 'amount']) expect([sort, (await list(`sort=${sort}&cursor=${next ?? ''}`)).status]).toEqual([sort, 422]);
    const forged = (position: object): string => Buffer.from(JSON.stringify(position)).toString('base64url');
    for (const amount of ['x', '-1', '1e9', '9'.repeat(40), '\0']) {
      expect([amount, (await list(`sort=amount&cursor=${forged({ sort: 'amount', amount_unit: '~', amount, expires_at: '2026-01-01T00:00:00Z', approval_id: newId() })}`)).status]).toEqual([amount, 422]);
    }
    expect((await list(`sort=oldest&cursor=${forged({ sort: 'oldest', opened_at: '0000-01-01T00:00:00Z', approval_id: newId() })}`)).status).toBe(422);
  });

  test('A7: a saved view keeps its order', async () => {
    const fiona = here.personToken('fiona');
    expect((await here.call('POST', '/v1/approvals/views', fiona, { body: { name: 'risky', query: { sort: 'risk' } } })).status).toBe(200);
    expect(placesOf((await list('view=risky')).items)).toEqual([2, 1, 4, 3, 0]);
    expect(placesOf((await list('view=risky&sort=oldest')).items)).toEqual([0, 1, 2, 3, 4]);
  });
});
