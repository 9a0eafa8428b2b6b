import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contextOf, renderCard, requestOf, viewHash, type OpenedData } from '@exequatur/approvals-domain';
import type { SealedProposal } from '@exequatur/contracts';
import type { JsonValue } from '@exequatur/kernel';
import fc from 'fast-check';
import { Installation } from '../spec/installation.js';

const LONG = process.env['EXEQUATUR_LONG'] === '1';
/** EXEQUATUR_LONG=1: 10,000. */
const ACTIONS = LONG ? 10_000 : 200;
const SEED = Number(process.env['EXEQUATUR_SEED'] ?? Date.now() % 2 ** 31);
const AT_ONCE = 4;

interface Logged {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: OpenedData;
  readonly sealed: Parameters<Installation['opened']>[1]['sealed'];
}

describe('cards recomputed from the log', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  test(`invariant 26: of ${ACTIONS} random actions, the card and view_hash of the recorded events' own bytes are those that were recorded`, async () => {
    const words = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text, 'utf8').toString('utf8'));
    const value = fc.oneof(words, fc.integer(), fc.boolean(), fc.constant(null), fc.array(words, { maxLength: 3 }));
    const action = fc.record({ args: fc.record({ amount: fc.constantFrom('1.00', '99.99', '0.10'), account: words, more: fc.dictionary(fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__'), value, { maxKeys: 4, noNullPrototype: true }) }), reasoning: words, impact: words });
    const actions = fc.sample(action, { numRuns: ACTIONS, seed: SEED });
    const asked = new Map<string, { readonly action_id: string }>();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = actions.pop(); next !== undefined; next = actions.pop()) {
          const { request } = await here.ask({ args: next.args as JsonValue, sealed: { reasoning: next.reasoning, business_impact: next.impact, target: next.args.account }, expectOpen: false });
          asked.set(request.approval_id, request);
        }
      }),
    );
    await here.until('all of them are open', async () => (await here.rows("SELECT FROM approval_request WHERE status = 'open'")).length === ACTIONS, LONG ? 900_000 : 60_000);
    const logged = await here.rows<{ bytes: Buffer }>("SELECT bytes FROM event WHERE aggregate = 'approval'");
    let recomputed = 0;
    for (const { bytes } of logged) {
      const event = JSON.parse(bytes.toString('utf8')) as Logged;
      const request = requestOf(event.data);
      const sealed = await here.opened<{ salt: string; card: string; proposal: SealedProposal; context: string }>({ request, args: null }, { id: event.id, ...(event.sealed === undefined ? {} : { sealed: event.sealed }) });
      const card = renderCard(request, sealed.proposal, contextOf(sealed.context));
      expect([`seed ${SEED}`, viewHash(Buffer.from(sealed.salt, 'base64url'), card)]).toEqual([`seed ${SEED}`, event.data.view_hash]);
      expect(asked.has(event.subject)).toBe(true);
      recomputed += 1;
    }
    expect(recomputed).toBe(ACTIONS);
  }, LONG ? 1_800_000 : 180_000);
});
