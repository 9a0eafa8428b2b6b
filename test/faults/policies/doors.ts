import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { generateSigningKey } from '@exequatur/audit-chain';
import { deadLetterTopic, INTAKE_TOPIC } from '@exequatur/contracts';
import { kafkaTransport } from '@exequatur/messaging';
import type { Subscription, Transport } from '@exequatur/messaging';
import { claimsOf, signedProposal } from '../../e2e/hostile/signed-proposal.js';
import type { Installation } from '../kit/installation.js';
import { persistently, until } from '../kit/tenant.js';
import type { Tenant } from '../kit/tenant.js';

/** An action as GET /v1/actions/{id} shows it to its agent. */
export type Shown = Readonly<Record<string, unknown>> & { readonly action_id: string; readonly status: string; readonly verdict: string; readonly code?: string; readonly stop_reason?: string };

/** One way in for proposals. */
export interface Door {
  readonly name: 'http' | 'intake';
  /** The action once it is decided. */
  propose(tenant: Tenant, proposal: object, key?: string): Promise<Shown>;
  /** What is sent under this key as it stands, and the code it is refused with. */
  refusal(tenant: Tenant, text: string, key?: string): Promise<string>;
  close(): Promise<void>;
}

const shown = async (tenant: Tenant, actionId: string): Promise<Shown> => (await tenant.get<Shown>('policy', `/v1/actions/${actionId}`, tenant.agent)).body;

export const httpDoor = (here: Installation): Door => ({
  name: 'http',
  propose: async (tenant, proposal, key = randomUUID()) => {
    const { status, bytes, body } = await persistently<Shown>(here.urls.policy, { token: tenant.agent, path: '/v1/actions', body: proposal, key });
    expect([status, bytes]).toEqual([201, expect.anything()]);
    const view = await shown(tenant, body.action_id);
    expect({ verdict: view.verdict, policy_hash: view['policy_hash'] }).toEqual({ verdict: body.verdict, policy_hash: body['policy_hash'] });
    // Two moments: what was to be approved may have expired in between.
    if (view.status === body.status) expect(view.stop_reason).toBe(body.stop_reason);
    return view;
  },
  refusal: async (tenant, text, key = randomUUID()) => {
    const response = await fetch(`${here.urls.policy}/v1/actions`, { method: 'POST', headers: { authorization: `Bearer ${tenant.agent}`, 'content-type': 'application/json', 'idempotency-key': key }, body: text });
    const { code } = (await response.json()) as { code?: string };
    return code ?? String(response.status);
  },
  close: () => Promise.resolve(),
});

/** Messages go straight to Kafka, as from an agent with access to the bus: nothing stands before the topic. */
class IntakeDoor implements Door {
  readonly name = 'intake';
  private readonly key = generateSigningKey(`intake-${randomUUID().slice(0, 8)}`).privateJwk;
  private readonly registered = new Map<string, Promise<void>>();
  private readonly letters = new Map<string, string>();
  private subscription: Subscription | undefined;

  constructor(
    private readonly here: Installation,
    private readonly transport: Transport,
  ) {}

  async open(): Promise<this> {
    this.subscription = await this.transport.subscribe({
      group: `reader-${randomUUID()}`,
      topics: [deadLetterTopic('policy').name],
      onBatch: (messages) => {
        for (const { value, headers } of messages) this.letters.set(value.toString(), headers['exq-dead-reason'] ?? '');
        return Promise.resolve();
      },
    });
    return this;
  }

  async propose(tenant: Tenant, proposal: object, key = randomUUID()): Promise<Shown> {
    await this.send(tenant, this.signed(tenant, JSON.stringify(proposal), key));
    const { body } = await until(() => tenant.get<{ items: readonly { action_id: string; door: string }[] }>('policy', `/v1/actions?idempotency_key=${key}`, tenant.agent), ({ body: { items } }) => items.length === 1, 'the decision on a message');
    expect(body.items[0]?.door).toBe('intake');
    return shown(tenant, body.items[0]?.action_id ?? '');
  }

  async refusal(tenant: Tenant, text: string, key = randomUUID()): Promise<string> {
    const message = this.signed(tenant, text, key);
    await this.send(tenant, message);
    const reason = await until(() => Promise.resolve(this.letters.get(message)), (found) => found !== undefined, 'the dead letter');
    return (reason ?? '').split(':')[0] ?? '';
  }

  async close(): Promise<void> {
    await this.subscription?.stop();
    await this.transport.close();
  }

  private async send(tenant: Tenant, message: string): Promise<void> {
    const known = this.registered.get(tenant.name) ?? this.register(tenant);
    this.registered.set(tenant.name, known);
    await known;
    await this.transport.publisher.publish(INTAKE_TOPIC.name, [{ key: `${tenant.name}/worker`, value: Buffer.from(message), headers: {} }]);
  }

  private async register(tenant: Tenant): Promise<void> {
    const { status, bytes } = await persistently(this.here.urls.policy, { token: this.here.adminToken, path: '/v1/agents/worker/keys', body: { tenant: tenant.name, key_id: this.key.kid, public_key: this.key.x }, key: randomUUID() });
    if (status !== 201) throw new Error(`registering a key answered ${status} ${bytes}`);
  }

  private signed(tenant: Tenant, proposal: string, key: string): string {
    const { proposal: _none, ...claims } = claimsOf(undefined, { tenant: tenant.name, iss: 'worker', jti: key });
    return signedProposal(`{"proposal":${proposal},${JSON.stringify(claims).slice(1)}`, this.key);
  }
}

export const intakeDoor = (here: Installation): Promise<Door> => new IntakeDoor(here, kafkaTransport({ brokers: here.brokers, clientId: 'agent', service: 'policy' })).open();
