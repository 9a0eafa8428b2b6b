import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation } from '../spec/installation.js';

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
      EXEQUATUR_WEBHOOKS: JSON.stringify([
        { name: 'agents', tenant: 'acme', url, secret: SECRET, private_network: true },
        { name: 'public-only', tenant: 'globex', url: `https://127.0.0.1:${port}/hook`, secret: SECRET },
      ]),
    });
  }, 60_000);
  afterAll(async () => {
    await here.stop();
    await new Promise((resolve) => server.close(resolve));
  });

  const told = (approvalId: string): readonly Received[] => received.filter(({ body }) => body.includes(approvalId));

  test('a resolution is told, signed, with ids and states alone; a redirect is no delivery and not followed', async () => {
    refusing = 1;
    const asked = await here.ask({ args: { account: 'canary-account', amount: '100.00' } });
    await here.decide(asked, 'reject', 'fiona', { reason: 'canary-reason' });
    await here.rows("UPDATE webhook_notice SET next_at = clock_timestamp() WHERE delivered_at IS NULL AND last_fault IS NOT NULL");
    await here.until('both are told', async () => {
      await here.rows("UPDATE webhook_notice SET next_at = clock_timestamp() WHERE next_at IS NOT NULL AND last_fault = 'it answered 302'");
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

  test('an address inside is refused unless the operator opened it, and kept with its fault', async () => {
    const asked = await here.ask({ tenant: 'globex' });
    const fault = async () => (await here.rows<{ last_fault: string | null; delivered_at: Date | null }>("SELECT last_fault, delivered_at FROM webhook_notice WHERE tenant = 'globex' AND body LIKE $1", [`%${asked.request.approval_id}%`]))[0];
    await here.until('it was tried', async () => (await fault())?.last_fault !== null);
    expect(await fault()).toEqual({ last_fault: 'it leads to an address that is not for webhooks', delivered_at: null });
    expect(told(asked.request.approval_id)).toEqual([]);
  });
});
