import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sha256Text } from '@exequatur/kernel';
import { Installation } from '../spec/installation.js';

const ROOT = 'root-token-of-this-suite';
const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;

interface Received {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
}

describe('webhooks', () => {
  let here: Installation;
  let server: Server;
  const received: Received[] = [];
  let refusing = 0;

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const header = (name: string): string => String(request.headers[name]);
        if (refusing > 0) {
          refusing -= 1;
          response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
          return;
        }
        received.push({ id: header('webhook-id'), timestamp: header('webhook-timestamp'), signature: header('webhook-signature'), body });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/hook`;
    here = await Installation.start({
      EXEQUATUR_ADMIN_TOKEN_HASH: sha256Text(Buffer.from(ROOT)),
      EXEQUATUR_WEBHOOKS: JSON.stringify([
        { name: 'agents', tenant: 'acme', url, secret: SECRET, private_network: true },
        { name: 'public-only', tenant: 'globex', url: `https://127.0.0.1:${port}/hook`, secret: SECRET },
      ]),
    });
  });
  afterAll(async () => {
    await here.stop();
    await new Promise((resolve) => server.close(resolve));
  });

  const told = (approvalId: string): readonly Received[] => received.filter(({ body }) => body.includes(approvalId));

  test('a resolution is told, signed, with ids and states alone; a redirect is no delivery and not followed', async () => {
    refusing = 1;
    const asked = await here.ask({ args: { account: 'canary-account', amount: '100.00' } });
    await here.decide(asked, 'reject', 'fiona', { reason: 'canary-reason' });
    await here.rows("UPDATE notice SET next_at = clock_timestamp() WHERE delivered_at IS NULL AND last_fault IS NOT NULL");
    await here.until('both are told', async () => {
      await here.rows("UPDATE notice SET next_at = clock_timestamp() WHERE next_at IS NOT NULL AND last_fault = 'it answered 302'");
      return told(asked.request.approval_id).length >= 2;
    });
    for (const { id, timestamp, signature, body } of told(asked.request.approval_id)) {
      expect(signature).toBe(`v1,${createHmac('sha256', Buffer.alloc(32, 9)).update(`${id}.${timestamp}.${body}`).digest('base64')}`);
      expect(body).not.toContain('canary');
    }
    const events = await here.events(asked);
    const resolved = told(asked.request.approval_id).find(({ body }) => body.includes('approval.resolved'));
    expect(resolved?.id).toBe(events.find(({ name }) => name === 'ApprovalRejected')?.id);
    expect(JSON.parse(resolved?.body ?? '{}')).toMatchObject({ type: 'approval.resolved', data: { tenant: 'acme', approval_id: asked.request.approval_id, action_id: asked.request.action_id, status: 'rejected', run_id: 'run-1', decided_by: 'fiona' } });
  });

  test('A12: that the glass was broken is told at once, with who did it and nothing of why', async () => {
    const asked = await here.ask();
    await here.decide(asked, 'break-glass', 'erin', { reason: 'canary-outage' });
    const alert = () => told(asked.request.approval_id).find(({ body }) => body.includes('approval.emergency'));
    await here.until('the alert', async () => alert() !== undefined);
    const broken = (await here.events(asked)).find(({ name }) => name === 'GlassBroken');
    expect(alert()?.id).toBe(broken?.id);
    expect(JSON.parse(alert()?.body ?? '{}')).toMatchObject({ type: 'approval.emergency', data: { tenant: 'acme', approval_id: asked.request.approval_id, status: 'granted', decided_by: 'erin' } });
    expect(alert()?.body).not.toContain('canary');
  });

  test('an address inside is refused unless the operator opened it, and kept with its fault', async () => {
    const asked = await here.ask({ tenant: 'globex' });
    const fault = async () => (await here.rows<{ last_fault: string | null; delivered_at: Date | null }>("SELECT last_fault, delivered_at FROM notice WHERE tenant = 'globex' AND body LIKE $1", [`%${asked.request.approval_id}%`]))[0];
    await here.until('it was tried', async () => (await fault())?.last_fault !== null);
    expect(await fault()).toEqual({ last_fault: 'it leads to an address that is not for webhooks', delivered_at: null });
    expect(told(asked.request.approval_id)).toEqual([]);
  });

  test('an admin names endpoints over the API, never one inside; the secret is shown once and kept encrypted; what failed is told again with its old id', async () => {
    const keep = (body: object, token = ROOT) => here.call('POST', '/v1/approvals/webhooks', token, { body: { tenant: 'acme', name: 'own', ...body } });
    expect((await keep({ name: 'odd', url: 'https://hooks.invalid/\u0000', events: [] })).status).toBe(201);
    expect((await here.call('POST', '/v1/approvals/webhooks/odd/replay', ROOT, { body: { tenant: 'acme', since: '2026-99-99T99:99:99Z' } })).status).toBe(422);
    for (const url of ['https://127.0.0.1/hook', 'https://[::1]/hook', 'http://hooks.example/', 'https://user:pass@hooks.example/', 'ftp://hooks.example/', 'nonsense']) expect(await keep({ url })).toMatchObject({ status: 422, body: { errors: [{ pointer: '/url' }] } });
    expect(await keep({ url: 'https://hooks.example/' }, here.personToken('fiona'))).toMatchObject({ status: 403 });
    expect(await keep({ name: 'agents', url: 'https://hooks.example/' })).toMatchObject({ status: 409 });
    // A name that has no address anywhere (RFC 6761).
    const kept = await keep({ url: 'https://hooks.invalid/hook', events: ['approval.opened'] });
    expect(kept).toMatchObject({ status: 201, body: { name: 'own', secret: expect.stringMatching(/^whsec_/) as unknown } });
    const secret = kept.body['secret'] as string;
    const again = await keep({ url: 'https://hooks.invalid/hook', events: ['approval.opened'] });
    expect(again.body['secret']).not.toBe(secret);
    const [row] = await here.rows<{ secret: Buffer }>("SELECT secret FROM webhook_endpoint WHERE name = 'own'");
    expect(row?.secret.toString('latin1')).not.toContain(String(again.body['secret']).slice(6, 30));
    expect((await here.call('GET', '/v1/approvals/webhooks?tenant=acme', ROOT)).bytes).not.toContain('whsec_');

    const asked = await here.ask();
    await here.decide(asked, 'reject', 'fiona', { reason: 'no' });
    const notices = async () => (await here.call('GET', '/v1/approvals/webhooks/own/notices?tenant=acme', ROOT)).body['items'] as { approval_id: string; event_id: string; happening: string; fault?: string; attempts: number }[];
    await here.until('it was tried', async () => (await notices())[0]?.fault !== undefined);
    expect(await notices()).toMatchObject([{ approval_id: asked.request.approval_id, happening: 'approval.opened', fault: 'the name has no address', attempts: 1 }]);
    // What was never told would be told once more, and not again.
    await here.until('everything was told', async () => (await here.rows("SELECT FROM notice WHERE channel = 'webhook' AND address = 'agents' AND delivered_at IS NULL")).length === 0, 60_000);
    const replayed = await here.call('POST', '/v1/approvals/webhooks/agents/replay', ROOT, { body: { tenant: 'acme', since: '2020-01-01T00:00:00Z' } });
    const times = new Map<string, number>();
    await here.until('all were told again', async () => {
      times.clear();
      for (const { id } of received) times.set(id, (times.get(id) ?? 0) + 1);
      return [...times.values()].filter((count) => count > 1).length >= (replayed.body['replayed'] as number);
    });
    expect(replayed.body['replayed']).toBe(times.size);
    expect(await here.call('POST', '/v1/approvals/webhooks/own/remove', ROOT, { body: { tenant: 'acme' } })).toMatchObject({ status: 200 });
    expect(await here.call('POST', '/v1/approvals/webhooks/own/remove', ROOT, { body: { tenant: 'acme' } })).toMatchObject({ status: 404 });
    for (const [name, tenant] of [['own', 'acme'], ['agents', 'initech']]) {
      expect(await here.call('GET', `/v1/approvals/webhooks/${name}/notices?tenant=${tenant}`, ROOT)).toMatchObject({ status: 404 });
      expect(await here.call('POST', `/v1/approvals/webhooks/${name}/replay`, ROOT, { body: { tenant, since: '2020-01-01T00:00:00Z' } })).toMatchObject({ status: 404 });
    }
  });
});
