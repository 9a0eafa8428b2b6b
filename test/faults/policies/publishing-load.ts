import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Proposed } from '@exequatur/sdk';
import type { Installation } from '../kit/installation.js';
import { persistently, post, POLICY, until } from '../kit/tenant.js';
import type { Reply, Tenant } from '../kit/tenant.js';

const EVERY_MS = 1_000;
/** However slow the machine is. */
const FEWEST = 4;
const WORKERS = 6;
const USES = 10_000;

/** What was asked, which version was known to be in force at that moment, and what was said. */
export interface Asked {
  readonly floor: number;
  readonly reply: Reply;
}

export interface PublishingFigures {
  /** hash by version, as publishing answered */
  readonly hashes: ReadonlyMap<number, string>;
  readonly decisions: readonly Asked[];
  readonly claims: readonly Asked[];
}

const BULK = 'bulk: { kinds: [mail.bulk], default: allow_with_caps,';
/** Even versions deny what odd ones allow; the number makes each another policy. */
const sourceOf = (version: number): string => (version % 2 === 0 ? POLICY.replace(BULK, 'bulk: { kinds: [mail.bulk], default: deny,').replace(', caps: { max_uses: 10000 } }', ' }') : POLICY).concat(`limits: { run: { max_steps: ${100_000_000 + version} } }\n`);

/** Proposals and claims in closed loops at every instance, while another version is published each second. */
export const publishUnderLoad = async (here: Installation, tenant: Tenant, seconds: number): Promise<PublishingFigures> => {
  const hashes = new Map<number, string>();
  let inForce = 1;
  let going = true;
  const decisions: Asked[] = [];
  const claims: Asked[] = [];
  const asked = { kind: 'mail.bulk' };
  const grants: Proposed[] = [];
  for (let nth = 0; nth <= seconds / 15; nth += 1) grants.push(await tenant.propose(asked));
  const authorities = here.of('reservations').map(({ url }) => url);
  let use = 0;
  const claiming = (useNo: number): Record<string, unknown> => tenant.reserving(asked, grants[Math.floor(useNo / USES)] ?? (grants[0] as Proposed), (useNo % USES) + 1);

  const loop = async (answers: Asked[], send: () => Promise<Reply>): Promise<void> => {
    while (going) {
      const floor = inForce;
      answers.push({ floor, reply: await send() });
    }
  };
  const proposing = (): Promise<Reply> => post(here.urls.policy, { token: tenant.agent, path: '/v1/actions', body: tenant.proposalOf(asked), key: randomUUID() });
  const reserving = (): Promise<Reply> => post(authorities[use % authorities.length] ?? '', { token: tenant.agent, path: '/v1/reservations', body: claiming((use += 1) - 1), key: randomUUID() });
  const load = [...Array.from({ length: WORKERS }, () => loop(decisions, proposing)), ...Array.from({ length: WORKERS }, () => loop(claims, reserving))];

  const isInForce = async (version: number): Promise<boolean> => (await tenant.get<{ status: string }>('policy', `/v1/policies/${version}?tenant=${tenant.name}`, here.adminToken)).body.status === 'in_force';
  const publish = async (): Promise<void> => {
    const { status, bytes, body } = await persistently<{ policy_version: number; policy_hash: string }>(here.urls.policy, { token: here.adminToken, path: '/v1/policies', body: { tenant: tenant.name, source: sourceOf(inForce + 1), reason: 'every second' }, key: randomUUID() });
    if (status !== 201) throw new Error(`publishing answered ${status} ${bytes}`);
    hashes.set(body.policy_version, body.policy_hash);
    await until(() => isInForce(body.policy_version), Boolean, `version ${body.policy_version} in force`);
    inForce = body.policy_version;
  };
  try {
    const end = performance.now() + seconds * 1_000;
    while (performance.now() < end || hashes.size < FEWEST) {
      const next = performance.now() + EVERY_MS;
      await publish();
      await delay(Math.max(0, Math.min(next, end) - performance.now()));
    }
  } finally {
    going = false;
  }
  await Promise.all(load);
  return { hashes, decisions, claims };
};
