import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Installation, type Asked } from './spec/installation.js';

/** Requests of this suite; each must be answered with a 4xx, and nothing may be written. */
const REQUESTS = 400;
const SEED = Number(process.env['EXEQUATUR_SEED'] ?? Date.now() % 2 ** 31);

describe('malformed and hostile requests', () => {
  let here: Installation;
  let asked: Asked;
  beforeAll(async () => {
    here = await Installation.start();
    asked = await here.ask();
  });
  afterAll(() => here.stop());

  test(`${REQUESTS} of them: each a 4xx problem with a code, no event, the service stays ready`, async () => {
    const hash = `sha256:${'0'.repeat(64)}`;
    const foreign = await here.ask({ tenant: 'globex' });
    const id = fc.constantFrom('none', '..%2f..', '%00', "'; DROP TABLE event; --", '01890000-0000-7000-8000-000000000002', foreign.request.approval_id, 'x'.repeat(600));
    const verb = fc.constantFrom('approve', 'reject', 'respond', 'revoke', 'edit', '');
    const token = fc.constantFrom('', 'nonsense', here.personToken('fiona'), here.personToken('nobody', 'globex'), here.agentToken(), here.secrets.adminToken, 'eyJhbGciOiJub25lIn0.e30.', `exq_person_${'x'.repeat(900)}`);
    const value = fc.oneof({ maxDepth: 3 }, fc.jsonValue(), fc.constantFrom<unknown>(hash, -1, 1e300, '\u0000', '💥', [], {}, { max_amount: { USD: '1' } }, { expires_in_ms: 1e400 }));
    const body = fc.oneof(
      fc.dictionary(fc.constantFrom('view_hash', 'caps', 'reason', 'response', 'rationale', 'instruction', '__proto__', 'x'), value).map((fields) => JSON.stringify(fields)),
      fc.constantFrom('{"view_hash":1,"view_hash":2}', '{', '', '[]', 'null', '"\\ud800"', '[['.repeat(100_000), '{"a":1e999}', '{"__proto__":{"roles":["finance"]}}', `{"reason":"${'x'.repeat(300_000)}"}`),
      fc.string(),
    );
    const type = fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', 'nonsense');
    // A refused attempt of somebody in the request's tenant is recorded; nothing else is.
    const written = (): Promise<unknown> => here.rows("SELECT count(*) FROM event WHERE type NOT LIKE '%.VoteRefused.%' AND type NOT LIKE '%.StreamHeadsPublished.%'");
    const before = await written();
    const requests = fc.sample(fc.record({ id, verb, token, body, type, ifMatch: fc.constantFrom('"1"', 'x', '*', ''), page: fc.boolean() }), { numRuns: REQUESTS, seed: SEED });
    for (const each of requests) {
      const path = `${each.page ? '/approvals' : '/v1/approvals'}/${encodeURI(each.id)}${each.verb === '' ? '' : `/${each.verb}`}`;
      const answer = await fetch(`${here.origin}${path}`, { method: 'POST', redirect: 'manual', headers: { 'content-type': each.type, 'if-match': each.ifMatch, 'idempotency-key': 'k', ...(each.token === '' ? {} : { authorization: `Bearer ${each.token}` }) }, body: each.body });
      const text = await answer.text();
      expect([`seed ${SEED}`, path, each.body.slice(0, 80), answer.status >= 300 && answer.status < 500]).toEqual([`seed ${SEED}`, path, each.body.slice(0, 80), true]);
      if (answer.headers.get('content-type')?.includes('problem+json') === true) expect(JSON.parse(text)).toMatchObject({ code: expect.any(String), status: answer.status });
      expect(text).not.toMatch(/\bat .+\.[jt]s:\d+|SELECT |pg_/);
    }
    expect(await written()).toEqual(before);
    expect(await here.service.ready()).toMatchObject({ ready: true });
    expect(await here.decide(asked, 'approve', 'fiona')).toMatchObject({ status: 200 });
  });
});
