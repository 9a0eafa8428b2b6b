import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import { describeWithFaults, faketimeLibrary } from '@exequatur/testing';
import { named, unfinished } from './kit/exported-log.js';
import { Installation } from './kit/installation.js';
import { committedEvents, everythingOf, notLogged } from './kit/ledger.js';
import { connect } from './kit/steady-work.js';
import { isLongRun } from './kit/seeds.js';
import { persistently, Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import type { Reply } from './kit/tenant.js';
import { randomFrom, seedOf } from './seeded-random.js';

const SLOW = 600_000;
const HOURS = 2;
const EXPIRES_IN_MS = 4_000;
const POLICY = `version: 1
classes:
  self: { kinds: [mail.brief], default: allow_with_caps, on_silence: unknown, caps: { expires_in: ${EXPIRES_IN_MS / 1_000}s } }
  crm: { kinds: [crm.update], default: allow_with_caps, on_silence: unknown, caps: { expires_in: ${EXPIRES_IN_MS / 1_000}s } }
tools:
  mail.brief: { kind: mail.brief, risk_points: 1 }
  crm.update: { kind: crm.update, risk_points: 1 }
`;

/** Scenario 15 of reliability.md, the clocks: each service two hours before and after everybody else, by jumps while it runs. */
describeWithFaults(['libfaketime'], 'a clock two hours off', () => {
  const directory = mkdtempSync(join(tmpdir(), `exequatur-clocks-${process.pid}-`));
  chmodSync(directory, 0o755);
  const fileOf = (service: ServiceName): string => join(directory, service);
  /** How far before everybody else a service is, by what it says itself. */
  const aheadMs = async (service: ServiceName): Promise<number> => Date.parse((await fetch(`${here.urls[service]}/livez`)).headers.get('date') ?? '') - Date.now();
  /** libfaketime looks at its file again after a second, and only when it is asked the time. */
  const jump = async (service: ServiceName, hours: number): Promise<void> => {
    writeFileSync(fileOf(service), `${hours < 0 ? '' : '+'}${hours}h\n`);
    await until(() => aheadMs(service), (ms) => Math.abs(ms - hours * 3_600_000) < 60_000, `${service} ${hours} h ahead`);
  };
  let here: Installation;
  let tool: HttpTool;
  beforeAll(async () => {
    for (const service of SERVICES) writeFileSync(fileOf(service), '+0h\n');
    here = await Installation.start({
      transport: TRANSPORT,
      environment: (service) => ({ LD_PRELOAD: faketimeLibrary() ?? '', FAKETIME_TIMESTAMP_FILE: fileOf(service), FAKETIME_CACHE_DURATION: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }),
    });
    tool = await startHttpTool();
  }, SLOW);
  afterAll(async () => {
    await tool.stop();
    await here.stop();
    rmSync(directory, { recursive: true, force: true });
  }, SLOW);

  const random = randomFrom(seedOf('clocks'));
  /** Those that judge or act both ways in every run; the others one way, by the seed, where there is no time for both. */
  const deciding: readonly ServiceName[] = ['policy', 'reservations', 'executor'];
  const skews = SERVICES.flatMap((service) => {
    const both = [[service, -HOURS] as const, [service, HOURS] as const];
    return isLongRun() || deciding.includes(service) ? both : both.slice(random() < 0.5 ? 0 : 1).slice(0, 1);
  });
  test.each(skews)('invariants 2, 22, 28: %s at %d h: authority is never longer, and with the clock right again all ends', async (service, hours) => {
    const tenant = await Tenant.create(here, `clock-${randomUUID().slice(0, 8)}`, POLICY);
    await tenant.budget(1_000);
    await connect(here, tenant, tool.url);
    const proposalOf = (kind: string, mode: 'self' | 'managed'): Record<string, unknown> => ({ ...tenant.proposalOf({ kind, mode }), tool: { name: kind, version: '1.0' } });
    const propose = (kind: string, mode: 'self' | 'managed') => persistently(here.urls.policy, { token: tenant.agent, path: '/v1/actions', body: proposalOf(kind, mode), key: randomUUID() });
    const reserve = async (allowed: Record<string, unknown>): Promise<Reply> => {
      const { scope_path, run_id, action_kind, tool: named_, execution_mode } = proposalOf('mail.brief', 'self');
      return persistently(here.urls.reservations, { token: tenant.agent, path: '/v1/reservations', body: { grant: allowed['grant'], scope_path, run_id, action_kind, tool: named_, execution_mode, target_hash: allowed['target_hash'], arguments_hash: allowed['arguments_hash'] }, key: randomUUID() });
    };
    const early = await propose('mail.brief', 'self');
    const earlyAt = Date.now();
    expect(early.status).toBe(201);

    const effectsBefore = tool.effects.length;
    await jump(service, hours);
    const [skewed] = await here.rows<{ now: Date }>('SELECT clock_timestamp() AS now');
    expect(Math.abs((skewed?.now.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    const managed = await propose('crm.update', 'managed');
    const own = await propose('mail.brief', 'self');
    const ownAt = Date.now();
    expect([managed.status, own.status]).toEqual([201, 201]);
    // Whatever the clock of one service says, a claim that stands was made while the grant lived by the true time, and runs out with it.
    const claim = await reserve(own.body);
    expect([201, 403, 410]).toContain(claim.status);
    if (claim.status === 201) expect(Date.parse(claim.body['execute_by'] as string)).toBeLessThanOrEqual(ownAt + EXPIRES_IN_MS + 1_000);
    await delay(Math.max(0, EXPIRES_IN_MS + 1_000 - (Date.now() - earlyAt)));
    // The grant from before the jump has run out by the one clock that judges.
    expect(await reserve(early.body)).toMatchObject({ status: 410, body: { code: 'GRANT_EXPIRED' } });
    await delay(Math.max(0, EXPIRES_IN_MS + 1_000 - (Date.now() - ownAt)));
    const late = await reserve(own.body);
    expect([403, 409, 410]).toContain(late.status);

    await jump(service, 0);
    if (claim.status === 201) await persistently(here.urls.reservations, { token: tenant.agent, path: `/v1/reservations/${claim.body['reservation_id'] as string}/commit`, body: {}, key: randomUUID() });
    const action = managed.body['action_id'] as string;
    // A grant dated two hours ahead is not valid before; it is not longer for that, and nothing ends until then.
    const ahead = service === 'policy' && hours > 0;
    if (!ahead) await tenant.log((events) => unfinished(events, { actions: [action], effects: [] }).filter((each) => each.startsWith('action')));
    const committed = await committedEvents(here.rows, tenant.name);
    const { report, events } = await tenant.log(everythingOf(committed));
    expect(notLogged(committed, events)).toEqual([]);
    expect(report).toMatchObject({ result: 'valid', violations: [] });
    const holds = events.filter(({ name }) => name === 'ReservationHeld');
    if (ahead) expect(holds).toEqual([]);
    for (const effect of tool.effects.slice(effectsBefore)) {
      const hold = holds.find(({ data }) => data['execution_id'] === effect.key);
      expect(effect.request.at.getTime()).toBeLessThanOrEqual(Date.parse(String(hold?.data['execute_by'])));
    }
    console.log(`${service} at ${hours} h: self ${claim.status} ${(claim.body['code'] as string | undefined) ?? ''}, managed ${[...named(events, 'code', 'ExecutionSkipped', 'ExecutionFailed')].join(' ') || (tool.effects.length > effectsBefore ? 'executed' : 'nothing')}`);
  }, SLOW);
});
