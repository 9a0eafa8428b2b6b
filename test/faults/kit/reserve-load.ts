import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { Reply, Request, Tenant } from './tenant.js';

const TICK_MS = 10;
const SOCKETS = 48;
/** A grant has ten thousand uses. The last ones are asked for slowly, so that the load outlasts whatever it is there for. */
const MAX_ASKED = 10_000;
const SLOWLY_FROM = 9_500;
const SLOWLY_EACH_TICKS = 20;
/** More than a machine in good order ever has under way; one that is behind is not asked for more than it comes to answer. */
const MOST_FLYING = 1_000;

/** How a held reservation goes on: most are used, some are returned, of some nobody hears. */
const endOf = (random: number): readonly [step: string, body: object] => (random < 0.8 ? ['commit', {}] : random < 0.9 ? ['release', {}] : ['outcome', { status: 'UNKNOWN' }]);

export interface LoadFigures {
  /** reserves asked for, and answered by code (`held`, else the code, else `broken`) */
  readonly asked: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly perSecond: number;
}

/** Open loop: reserves at a fixed rate over keep-alive connections, each held one ended in its own way; nothing waits for anything, up to MOST_FLYING. */
export class ReserveLoad {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  private readonly answers: Record<string, number> = {};
  private readonly flying = new Set<Promise<void>>();
  private readonly timer: NodeJS.Timeout;
  private readonly began = performance.now();
  private asked = 0;
  private ticks = 0;

  constructor(
    private readonly origins: readonly string[],
    private readonly tenant: Tenant,
    private readonly perSecond: number,
    private readonly bodyOf: (useNo: number) => unknown,
    private readonly random: () => number,
  ) {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Asks no more, and waits for what is under way. */
  async stop(): Promise<LoadFigures> {
    clearInterval(this.timer);
    const seconds = (performance.now() - this.began) / 1_000;
    while (this.flying.size > 0) await Promise.all(this.flying);
    this.agent.destroy();
    return { asked: this.asked, answers: this.answers, perSecond: Math.round(this.asked / seconds) };
  }

  get held(): number {
    return this.answered('held');
  }

  answered(code: string): number {
    return this.answers[code] ?? 0;
  }

  private tick(): void {
    const due = Math.floor(((performance.now() - this.began) / 1_000) * this.perSecond);
    while (this.asked < Math.min(due, SLOWLY_FROM) && this.flying.size < MOST_FLYING) this.ask();
    this.ticks += 1;
    if (this.asked >= SLOWLY_FROM && this.asked < MAX_ASKED && this.ticks % SLOWLY_EACH_TICKS === 0) this.ask();
  }

  private ask(): void {
    const flight: Promise<void> = this.lifecycle((this.asked += 1)).finally(() => this.flying.delete(flight));
    this.flying.add(flight);
  }

  private async lifecycle(useNo: number): Promise<void> {
    const origin = this.origins[useNo % this.origins.length] ?? '';
    const reply = await this.send(origin, { token: this.tenant.agent, path: '/v1/reservations', body: this.bodyOf(useNo), key: randomUUID() }).catch(() => undefined);
    const answer = reply === undefined ? 'broken' : reply.status === 201 ? 'held' : String(reply.body['code']);
    this.answers[answer] = (this.answers[answer] ?? 0) + 1;
    if (reply?.status !== 201) return;
    const [step, body] = endOf(this.random());
    await this.send(origin, { token: this.tenant.agent, path: `/v1/reservations/${reply.body['reservation_id'] as string}/${step}`, body, key: randomUUID() }).catch(() => undefined);
  }

  private send(origin: string, { token, path, body, key }: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const sent = request(`${origin}${path}`, { method: 'POST', agent: this.agent, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key } }, (response) => {
        let bytes = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (bytes += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes, body: JSON.parse(bytes === '' ? '{}' : bytes) as Record<string, unknown> }));
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(JSON.stringify(body));
    });
  }
}
