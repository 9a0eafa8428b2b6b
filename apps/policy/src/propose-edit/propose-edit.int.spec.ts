import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApprovalRequired, EditProposed } from '@exequatur/contracts';
import type { SealedOf } from '@exequatur/contracts';
import { canonicalText, newId, sha256Text } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { open, seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { KeyServer, startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { eventually, mailTo, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

const HASH = sha256Text(Buffer.from('a card'));

/** As approvals publishes what a person made of the arguments, beyond what was asked for. */
describe('an edit beyond the request', () => {
  let postgres: TestPostgres;
  let provider: KeyServer;
  let bed: PolicyBed;
  let keys: KeyStore;
  let agent: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    provider = await KeyServer.start();
    bed = await startPolicyBed((await postgres.createDatabase()).url, {
      EXEQUATUR_IDENTITY_PROVIDERS: JSON.stringify([{ issuer: provider.issuer, name: 'Acme', tenant: 'acme', audience: 'https://api.example' }]),
    });
    ({ agent } = await bed.tenant('acme'));
    keys = bed.service.app.get<KeyStore>(KEY_STORE);
  }, 60_000);
  afterAll(async () => {
    await bed.close();
    await provider.stop();
    await postgres.stop();
  });

  interface Waiting {
    readonly action_id: string;
    readonly approval_id: string;
  }
  const waiting = async (to: string, token = agent): Promise<Waiting> => {
    const asked = await bed.post('/v1/actions', mailTo('acme', to), token);
    expect(asked).toMatchObject({ status: 201, body: { verdict: 'REQUIRE_APPROVAL' } });
    return asked.body as unknown as Waiting;
  };
  const edited = async ({ action_id, approval_id }: Waiting, args: JsonValue): Promise<void> => {
    const key = await keys.actionKey('acme', action_id);
    if (key === undefined) throw new Error('a proposal has a key');
    const id = newId();
    await bed.publishAs('approvals', { tenant: 'acme', aggregate: 'approval', id: approval_id }, {
      definition: EditProposed, id, correlationId: action_id,
      data: { approval_id, action_id, person: 'fiona', view_hash: HASH, edited: ['/to'], edited_arguments_hash: HASH },
      sealed: seal(key, action_id, id, { arguments: canonicalText(args) }),
    });
  };
  /** What policy asks people about in the place of that action. */
  const followers = async ({ action_id }: Waiting) => {
    const { rows } = await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event WHERE type = $1', [ApprovalRequired.type]);
    return rows.map(({ bytes }) => JSON.parse(bytes.toString('utf8')) as { id: string; actortype: string; actorid: string; data: Record<string, unknown>; sealed: Parameters<typeof open>[1] }).filter(({ data }) => data['follows'] === action_id);
  };
  const one = async (asked: Waiting) => (await eventually(() => followers(asked), (found) => found.length > 0, 60_000))[0] as Awaited<ReturnType<typeof followers>>[number];
  const view = (id: unknown): Promise<Reply> => bed.get(`/v1/actions/${String(id)}`, agent);

  test('A3: it is decided as an action of the same agent that follows the first one, with the edited arguments and the editor as a requester', async () => {
    const asked = await waiting('ann@customer.example');
    const wider = { to: 'bob@customer.example', subject: 'Hello', text: 'and more' };
    await edited(asked, wider);
    const follower = await one(asked);
    expect(follower).toMatchObject({ data: { edited_by: 'fiona', agent_owner: 'oscar', facts: { agent: 'outreach-agent', action_kind: 'message.email.send' } } });
    const id = String(follower.data['action_id']);
    const key = await keys.actionKey('acme', id);
    expect(key === undefined ? undefined : (open(key, follower.sealed, follower.id) as SealedOf<typeof ApprovalRequired>).arguments).toBe(canonicalText(wider));
    expect((await view(id)).body).toMatchObject({ status: 'awaiting_approval', follows: asked.action_id });
    expect(await followers(asked)).toHaveLength(1);
  });

  test('invariant 11: for whom the agent acted stays with what follows: whoever is behind it does not get to approve their own wish that way', async () => {
    expect(await bed.post('/v1/agents/outreach-agent/keys', { tenant: 'acme', key_id: 'sso', subject: `${provider.issuer}#bot` }, bed.root)).toMatchObject({ status: 201 });
    const asked = await waiting('cleo@customer.example', await provider.token({ sub: 'georg', act: { sub: 'bot' } }));
    await edited(asked, { to: 'dora@customer.example', subject: 'Hello', text: 'of georg' });
    expect(await one(asked)).toMatchObject({ data: { act_chain: [`${provider.issuer}#georg`] } });
  });

  test('nothing follows an action that was erased', async () => {
    const erased = await waiting('erin@customer.example');
    const after = await waiting('finn@customer.example');
    const key = await keys.actionKey('acme', erased.action_id);
    if (key === undefined) throw new Error('a proposal has a key');
    const id = newId();
    const sealed = seal(key, erased.action_id, id, { arguments: '{}' });
    await keys.destroyActionKey('acme', erased.action_id);
    await bed.publishAs('approvals', { tenant: 'acme', aggregate: 'approval', id: erased.approval_id }, {
      definition: EditProposed, id, correlationId: erased.action_id, sealed,
      data: { approval_id: erased.approval_id, action_id: erased.action_id, person: 'fiona', view_hash: HASH, edited: ['/to'], edited_arguments_hash: HASH },
    });
    // Of the same service and sent later: when it has come, the first one has.
    await edited(after, { to: 'gina@customer.example', subject: 'Hello', text: 'later' });
    await one(after);
    expect(await followers(erased)).toEqual([]);
  });
});
