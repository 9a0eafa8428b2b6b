import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import type { Grant } from '@exequatur/contracts';
import { LockTimeout, PgEventStore } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import pg from 'pg';
import { BASE_POLICY, Installation } from '../spec/installation.js';
import type { AuthorityCommand, AuthorityOutcome } from './authority-command.js';
import { RuntimeAuthority } from './runtime-authority.js';
import { TenantBoards } from './tenant-board.js';

const SETTINGS = '-c search_path=reservations';
/** Each on a budget of its own: only limits stand between them. */
const [ONE, OTHER] = ['tenant:acme/app:one', 'tenant:acme/app:other'] as const;

describe('a policy changes while instances guess its limits', () => {
  let here: Installation;
  const pools: pg.Pool[] = [];
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000', ONE);
    await here.budget('1000', OTHER);
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await here.stop();
  });

  /** An instance with what it last saw of policies. */
  const instance = (): RuntimeAuthority => {
    const pool = new pg.Pool({ connectionString: here.url, max: 1, pipeline: true, options: SETTINGS });
    pool.on('error', () => undefined);
    pools.push(pool);
    return new RuntimeAuthority(new PgEventStore({ pool, service: 'reservations', signingKey: importSigningKey(JSON.parse(here.secrets.signingKeys.reservations) as PrivateJwk) }), new TenantBoards());
  };
  const reserving = (grant: Grant): AuthorityCommand => ({
    kind: 'reserve',
    tenant: 'acme',
    reservationId: newId(),
    actor: { type: 'agent', id: 'mailer' },
    caller: { type: 'agent', tenant: 'acme', agent: 'mailer' },
    presented: grant,
    request: { execution_mode: 'self', scope_path: grant.scope_path, run_id: grant.run_id, action_kind: grant.action_kind, tool: grant.tool, ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }), arguments_hash: grant.granted_arguments_hash },
  });
  /** On a loaded machine somebody may wait too long for the other; that is no circle, and is asked again. */
  const claimAt = async (authority: RuntimeAuthority, scopePath: string): Promise<AuthorityOutcome | undefined> => {
    const command = reserving(here.grant({ scope_path: scopePath }));
    for (;;) {
      try {
        return (await authority.run([command]))[0];
      } catch (error) {
        if (!(error instanceof LockTimeout)) throw error;
      }
    }
  };
  const held = (outcome: AuthorityOutcome | undefined): boolean => outcome?.kind === 'reserved' && outcome.decision.held;
  const limited = (limits: Readonly<Record<string, JsonValue>>) => here.publishPolicy('acme', { ...(BASE_POLICY as Record<string, JsonValue>), limits });
  const waiting = (howMany: number) => here.until(`${howMany} wait for a lock`, async () => (await here.count("SELECT FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")) >= howMany);
  const rule = (id: string) => ({ id, window: '1h', max_count: 1_000, by: ['agent'] });

  test('a batch that guessed by the old limits gives its locks back before it takes those of the new', async () => {
    await limited({ velocity: [rule('zz')] });
    const [late, current] = [instance(), instance()];
    expect([held(await claimAt(late, ONE)), held(await claimAt(current, OTHER))]).toEqual([true, true]);
    await limited({ run: { max_steps: 1_000 }, velocity: [rule('aa'), rule('zz')] });
    expect(held(await claimAt(current, OTHER))).toBe(true);

    // Somebody has the counter between the run and the one that the old policy had too.
    const blocker = new pg.Client({ connectionString: here.url, options: SETTINGS });
    await blocker.connect();
    await blocker.query('BEGIN');
    expect((await blocker.query("SELECT FROM velocity_counter WHERE rule_id = 'aa' FOR UPDATE")).rowCount).toBe(1);
    const first = claimAt(current, OTHER);
    await waiting(1);
    const second = claimAt(late, ONE);
    await waiting(2);
    await blocker.query('COMMIT');
    await blocker.end();
    // Two that wait for one another would end with one of them undone (deadlock detected).
    expect((await Promise.all([first, second])).map(held)).toEqual([true, true]);
  });
});
