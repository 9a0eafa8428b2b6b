import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { PATIENCE_MS } from '@exequatur/testing';
import { CYCLES_IS_HERE, CyclesProtocol } from './cycles-protocol.js';
import type { Answered, Installation } from './installation.js';

export const UNIT = 'USD_MICROCENTS';
export const RESERVATIONS = '/v1/reservations';

/** What a reserve asks for, unless `changes` say otherwise. */
export const asked = (amount: number, changes: object = {}): Record<string, unknown> => ({
  idempotency_key: newId(),
  subject: { tenant: 'acme', agent: 'bot', dimensions: { run_id: 'run-1' } },
  action: { kind: 'llm.completion', name: 'meta/llama 3', tags: ['prod'] },
  estimate: { unit: UNIT, amount },
  ...changes,
});
export const idOf = ({ body }: Answered): string => body['reservation_id'] as string;

const LONG_MS = 900_000;

/** A client of the Cycles surface, as an agent of acme unless said otherwise. Every answer is held against the published OpenAPI. */
export class CyclesClient {
  private readonly protocol = CYCLES_IS_HERE ? new CyclesProtocol() : undefined;

  private constructor(private readonly here: Installation) {}

  /** With budgets on acme and on its agent `bot`. */
  static async of(here: Installation): Promise<CyclesClient> {
    await here.budget('1000000', 'tenant:acme', UNIT);
    await here.budget('1000', 'tenant:acme/agent:bot', UNIT);
    return new CyclesClient(here);
  }

  /** `operation` is the path in the OpenAPI. A loaded machine may answer 429 or 503, which say to ask again: that is done, with the same key. */
  async ask(method: 'GET' | 'POST', path: string, operation: string, body?: object, credential = this.here.agentToken('acme'), headers: Record<string, string> = {}): Promise<Answered & { readonly headers: Headers }> {
    const request = {
      method,
      headers: { 'x-cycles-api-key': credential, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const send = (): Promise<Response> => fetch(`${this.here.origin}/cycles${path}`, request);
    const deadline = performance.now() + PATIENCE_MS;
    let answer = await send();
    while ([429, 503].includes(answer.status) && performance.now() < deadline) {
      await delay(50);
      answer = await send();
    }
    const bytes = await answer.text();
    const parsed = JSON.parse(bytes) as Record<string, unknown>;
    expect({ path, status: answer.status, bytes, faults: this.protocol?.faultsOfAnswer(method, operation, answer.status, parsed) ?? [] }).toMatchObject({ faults: [] });
    expect(answer.headers.get('x-cycles-trace-id')).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.headers.get('x-request-id')).not.toBeNull();
    if (answer.status >= 400) expect(parsed['trace_id']).toBe(answer.headers.get('x-cycles-trace-id'));
    return { status: answer.status, body: parsed, bytes, headers: answer.headers };
  }

  /** For long, unless said otherwise: what a sweep gives back by itself would be a difference between two figures. */
  create(body: object, credential?: string, headers?: Record<string, string>): Promise<Answered> {
    return this.ask('POST', RESERVATIONS, RESERVATIONS, { ttl_ms: LONG_MS, ...body }, credential, headers);
  }

  settle(id: string, verb: 'commit' | 'release' | 'extend', body: object, credential?: string): Promise<Answered> {
    return this.ask('POST', `${RESERVATIONS}/${id}/${verb}`, `${RESERVATIONS}/{reservation_id}/${verb}`, { idempotency_key: newId(), ...body }, credential);
  }

  one(id: string, credential?: string): Promise<Answered> {
    return this.ask('GET', `${RESERVATIONS}/${id}`, `${RESERVATIONS}/{reservation_id}`, undefined, credential);
  }

  async balanceOf(query: string): Promise<Record<string, { amount: number }>> {
    const { body } = await this.ask('GET', `/v1/balances?${query}`, '/v1/balances', undefined, this.here.personToken('acme'));
    return (body['balances'] as Record<string, { amount: number }>[])[0] ?? {};
  }

  /** What is reserved, spent and left on the agent's budget. */
  async figures(): Promise<readonly (number | undefined)[]> {
    const { reserved, spent, remaining } = await this.balanceOf('agent=bot');
    return [reserved?.amount, spent?.amount, remaining?.amount];
  }
}
