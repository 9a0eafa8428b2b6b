import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId, sha256Text } from '@exequatur/kernel';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { Installation, type Asked } from '../spec/installation.js';

describe('a parked run and the stream of changes', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const put = (asked: Asked, bytes: Buffer, token = here.agentToken()) =>
    fetch(`${here.origin}/v1/approvals/${asked.request.approval_id}/checkpoint`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'idempotency-key': newId(), 'content-type': 'application/octet-stream' }, body: new Uint8Array(bytes) });
  const get = (asked: Asked, token = here.agentToken()) => here.call('GET', `/v1/approvals/${asked.request.approval_id}/checkpoint`, token);

  test('the bytes come back as they were, are encrypted at rest, and only their hash is told (invariant 30)', async () => {
    const asked = await here.ask();
    const bytes = Buffer.concat([Buffer.from('canary-of-the-run'), Buffer.alloc(900_000, 7)]);
    for (let twice = 0; twice < 2; twice += 1) expect((await put(asked, bytes)).status).toBe(200);
    expect((await here.events(asked)).filter(({ name }) => name === 'CheckpointStored')).toMatchObject([{ actorid: 'support-bot', data: { checkpoint_hash: sha256Text(bytes), size_bytes: bytes.length, run_id: 'run-1' } }]);
    expect(Buffer.from((await get(asked)).body['checkpoint'] as string, 'base64url').equals(bytes)).toBe(true);
    const [row] = await here.rows<{ sealed: Buffer }>('SELECT sealed FROM approval_checkpoint WHERE approval_id = $1', [asked.request.approval_id]);
    expect(row?.sealed.includes('canary-of-the-run')).toBe(false);
    expect((await here.call('GET', '/v1/approvals/parked?run=run-1', here.agentToken())).body['items']).toMatchObject([{ approval_id: asked.request.approval_id, checkpoint_hash: sha256Text(bytes) }]);
    await here.decide(asked, 'approve', 'fiona');
    expect((await get(asked)).status).toBe(200);
    expect((await put(asked, Buffer.from('too late'))).status).toBe(409);
  });

  test('not for another agent, a person, another tenant, more than 1 MiB, or after erasure (invariants 18, 29)', async () => {
    const asked = await here.ask();
    const other = await here.addAgent('other-bot', 'tenant:acme');
    expect((await put(asked, Buffer.from('x'), other)).status).toBe(404);
    expect((await get(asked)).body).toMatchObject({ checkpoint: null });
    await put(asked, Buffer.from('mine'));
    expect((await get(asked, other)).status).toBe(404);
    expect((await get(asked, here.agentToken('globex'))).status).toBe(404);
    expect((await get(asked, here.personToken('fiona'))).status).toBe(403);
    expect((await put(asked, Buffer.alloc(1_048_577))).status).toBe(413);
    await here.service.app.get<KeyStore>(KEY_STORE, { strict: false }).destroyActionKey('acme', asked.request.action_id);
    expect((await get(asked)).body).toMatchObject({ checkpoint: null, checkpoint_hash: null });
    const json = await here.call('POST', `/v1/approvals/${asked.request.approval_id}/checkpoint`, here.agentToken(), { body: {} });
    expect(json).toMatchObject({ status: 415 });
  });

  /** Reads server-sent events until `holds`; gives them and closes. */
  const stream = async (person: string, lastEventId: string | undefined, holds: (seen: readonly { id: string; event: string; data: { approval_id: string } }[]) => boolean, whileOpen: () => Promise<void> = async () => undefined) => {
    const closing = new AbortController();
    const answer = await fetch(`${here.origin}/v1/stream`, { headers: { authorization: `Bearer ${here.personToken(person)}`, accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) }, signal: closing.signal });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    if (answer.body === null) throw new Error('no body');
    await whileOpen();
    const seen: { id: string; event: string; data: { approval_id: string } }[] = [];
    let text = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const [, id, event, data] = /^id: (.+)\nevent: (.+)\ndata: (.+)$/.exec(part) ?? [];
        if (id !== undefined && event !== undefined && data !== undefined) seen.push({ id, event, data: JSON.parse(data) as { approval_id: string } });
      }
      if (holds(seen)) break;
    }
    closing.abort();
    return seen;
  };

  test('the stream tells changes as they come, and again from Last-Event-ID; only of what one may see', async () => {
    let asked: Asked | undefined;
    const seen = await stream('fiona', undefined, (changes) => changes.some(({ event }) => event === 'ApprovalGranted'), async () => {
      asked = await here.ask();
      await here.decide(asked, 'approve', 'fiona');
    });
    const mine = seen.filter(({ data }) => data.approval_id === asked?.request.approval_id);
    expect(mine.map(({ event }) => event)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted']);
    const again = await stream('fiona', mine[0]?.id, (changes) => changes.some(({ event }) => event === 'ApprovalGranted'));
    expect(again.map(({ id }) => id)).toEqual(seen.slice(seen.findIndex(({ id }) => id === mine[0]?.id) + 1).map(({ id }) => id));
    const lead = await here.ask({ more: { demand: { stages: [{ roles: ['finance-lead'], quorum: 1 }], distinct: true, ttl_ms: 1, on_timeout: 'deny' } } });
    const leads = await stream('lea', '0-0', (changes) => changes.length > 0);
    expect(new Set(leads.map(({ data }) => data.approval_id))).toEqual(new Set([lead.request.approval_id]));
    expect(await here.call('GET', '/v1/stream', here.agentToken())).toMatchObject({ status: 403 });
    const batch = await fetch(`${here.origin}/v1/stream`, { headers: { authorization: `Bearer ${here.personToken('lea')}`, 'last-event-id': '0-0' } });
    expect(await batch.json()).toMatchObject({ items: [{ event: 'ApprovalOpened', data: { approval_id: lead.request.approval_id } }], last_event_id: leads.at(-1)?.id });
  });

  test('a Last-Event-ID of others is refused', async () => {
    const answer = await fetch(`${here.origin}/v1/stream`, { headers: { authorization: `Bearer ${here.personToken('fiona')}`, 'last-event-id': 'x' } });
    expect(answer.status).toBe(422);
  });
});
