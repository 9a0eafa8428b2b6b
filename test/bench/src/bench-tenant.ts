import type { Wire } from './http.js';

/** A tenant with one agent whose one tool may be used many times. */
export interface BenchTenant {
  readonly wire: Wire;
  readonly agentKey: string;
  readonly adminToken: string;
  readonly tenant: string;
  readonly databaseUrl: string;
}

const TENANT = 'bench';
const POLICY = `version: 1
classes:
  routine: { kinds: [bench.step], default: allow, on_silence: expire }
tools:
  bench.step: { kind: bench.step, risk_points: 1 }
rules:
  - id: many-uses
    match: { kind: bench.step }
    decision: allow_with_caps
    caps: { max_uses: 10000, expires_in: 1h }
`;

export const seedBench = async (wire: Wire, adminToken: string, databaseUrl: string): Promise<BenchTenant> => {
  const admin = <T>(path: string, body: object): Promise<T> => wire.post<T>(path, { tenant: TENANT, ...body }, adminToken, `bench-${path}-${JSON.stringify(body)}`.replace(/[^\x21-\x7e]/g, '').slice(0, 200));
  await admin('/v1/tenants', { display_name: 'Bench' });
  await admin('/v1/agents', { agent: 'bench', display_name: 'Bench', scope_prefix: `tenant:${TENANT}` });
  const { key: agentKey } = await admin<{ key: string }>('/v1/agents/bench/keys', {});
  await admin('/v1/policies', { source: POLICY, reason: 'benchmark' });
  return { wire, agentKey, adminToken, tenant: TENANT, databaseUrl };
};
