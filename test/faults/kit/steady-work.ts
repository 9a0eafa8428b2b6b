import { randomUUID } from 'node:crypto';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import type { Proposed } from '@exequatur/sdk';
import { persistently } from './tenant.js';
import type { Reply, Request, Tenant, Where } from './tenant.js';

const SELF_CLIENTS = 12;
const MANAGED_CLIENTS = 3;
/** Of one grant of mail.bulk. */
const USES = 10_000;

/** A write that was answered at last, with everything needed to ask again. */
export interface Acked {
  readonly request: Request;
  readonly reply: Reply;
  readonly attempts: number;
  readonly ackedAt: number;
}

/** What a run of steady work was told: its oracle, besides the tool's journal. */
export interface Told {
  readonly reserves: readonly Acked[];
  readonly ends: readonly Acked[];
  /** managed actions whose proposal was answered */
  readonly actions: readonly string[];
  readonly effects: readonly string[];
}

/** Clients that reserve and commit, or propose for the executor, and ask again with the same key through whatever happens. */
export class SteadyWork {
  private readonly reserves: Acked[] = [];
  private readonly ends: Acked[] = [];
  private readonly actions: string[] = [];
  private readonly clients: readonly Promise<void>[];
  private stopping = false;
  private useNo = 0;

  private constructor(
    private readonly where: Where,
    private readonly origins: readonly string[],
    private readonly tenant: Tenant,
    private bulk: Promise<Proposed>,
    private readonly tool: HttpTool,
  ) {
    this.clients = [
      ...Array.from({ length: SELF_CLIENTS }, (_, nth) => this.reserving(origins[nth % origins.length] ?? '')),
      ...Array.from({ length: MANAGED_CLIENTS }, () => this.proposing()),
    ];
  }

  /** The tenant needs a budget. */
  static async start(where: Where, tenant: Tenant, origins: readonly string[] = [where.urls.reservations]): Promise<SteadyWork> {
    const tool = await startHttpTool();
    await connect(where, tenant, tool.url);
    const first = await tenant.propose({ kind: 'mail.bulk' });
    return new SteadyWork(where, origins, tenant, Promise.resolve(first), tool);
  }

  get acked(): number {
    return this.reserves.length + this.ends.length + this.actions.length;
  }

  /** Begins nothing more, and waits until every request has its answer. `close` ends the tool. */
  async stop(): Promise<Told> {
    this.stopping = true;
    await Promise.all(this.clients);
    return this.told();
  }

  /** Again, since effects go on until the last managed action has ended. */
  told(): Told {
    return { reserves: this.reserves, ends: this.ends, actions: this.actions, effects: this.tool.effects.map(({ key }) => key ?? 'none') };
  }

  close(): Promise<void> {
    return this.tool.stop();
  }

  private async ask(into: Acked[], origin: string, path: string, body: unknown): Promise<Reply> {
    const request = { token: this.tenant.agent, path, body, key: randomUUID() };
    const { attempts, ...reply } = await persistently(origin, request);
    into.push({ request, reply, attempts, ackedAt: Date.now() });
    return reply;
  }

  private async reserving(origin: string): Promise<void> {
    while (!this.stopping) {
      const { bulk, useNo } = this.nextUse();
      const held = await this.ask(this.reserves, origin, '/v1/reservations', this.tenant.reserving({ kind: 'mail.bulk' }, await bulk, useNo));
      if (held.status === 201) await this.ask(this.ends, origin, `/v1/reservations/${held.body['reservation_id'] as string}/commit`, {});
    }
  }

  /** Of another grant when one is used up. */
  private nextUse(): { readonly bulk: Promise<Proposed>; readonly useNo: number } {
    if (this.useNo === USES) {
      this.bulk = this.tenant.propose({ kind: 'mail.bulk' });
      this.useNo = 0;
    }
    this.useNo += 1;
    return { bulk: this.bulk, useNo: this.useNo };
  }

  private async proposing(): Promise<void> {
    while (!this.stopping) {
      const { body } = await persistently(this.where.urls.policy, { token: this.tenant.agent, path: '/v1/actions', body: this.tenant.proposalOf({ kind: 'crm.update', mode: 'managed' }), key: randomUUID() });
      this.actions.push(body['action_id'] as string);
    }
  }
}

/** The tool crm.update of a tenant, at a URL. */
export const connect = async (where: Where, tenant: Tenant, url: string, tool = 'crm.update'): Promise<void> => {
  const { status, bytes } = await persistently(where.urls.executor, { token: where.adminToken, path: '/v1/connectors', body: { tenant: tenant.name, tool: { name: tool, version: '1.0' }, type: 'http', settings: { url: `${url}/act`, private_networks: ['127.0.0.1'] } }, key: randomUUID() });
  if (status >= 300) throw new Error(`the connector answered ${status} ${bytes}`);
};
