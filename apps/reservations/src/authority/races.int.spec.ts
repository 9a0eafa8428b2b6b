import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PrivateJwk } from '@exequatur/audit-chain';
import type { Grant } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { BASE_POLICY, Installation } from '../spec/installation.js';
import { FOLDED_BUDGETS, foldLog } from '../spec/fold-log.js';
import { startRacers } from '../spec/racers.js';
import type { AuthorityRacers } from '../spec/racers.js';
import type { AuthorityCommand, ReserveAsked } from './authority-command.js';

const PROCESSES = 16;

describe(`${PROCESSES} processes at one barrier`, () => {
  let here: Installation;
  let racers: AuthorityRacers;
  beforeAll(async () => {
    here = await Installation.start();
    racers = await startRacers(PROCESSES, { url: here.url, key: JSON.parse(here.secrets.signingKeys.reservations) as PrivateJwk });
  });
  afterAll(async () => {
    await racers.stop();
    await here.stop();
  });

  const reserve = (grant: Grant, useNo = 1): ReserveAsked => ({
      kind: 'reserve',
      tenant: grant.tenant,
      reservationId: newId(),
      actor: { type: 'agent', id: grant.agent_identity },
      caller: { type: 'agent', tenant: grant.tenant, agent: grant.agent_identity },
      presented: grant,
      request: {
        use_no: useNo,
        execution_mode: grant.execution_mode,
        scope_path: grant.scope_path,
        run_id: grant.run_id,
        action_kind: grant.action_kind,
        tool: grant.tool,
        ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }),
        arguments_hash: grant.granted_arguments_hash,
      },
    });
  const lists = (perProcess: number, command: (process: number, turn: number) => AuthorityCommand): AuthorityCommand[][] => Array.from({ length: PROCESSES }, (_, process) => Array.from({ length: perProcess }, (__, turn) => command(process, turn)));
  const tally = (results: readonly string[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const result of results) counts[result] = (counts[result] ?? 0) + 1;
    return counts;
  };

  test('invariant 7: the last units of a budget are given out once', async () => {
    const scope = 'tenant:acme/app:last_unit';
    const id = await here.budget('10', scope);
    const results = await racers.race(lists(6, () => reserve(here.grant({ scope_path: scope }))));
    const moves = (await here.events('ReservationHeld')).flatMap(({ data }) => data['holds'] as { budget_id: string; entry_no: number; held: string; cap: string }[]).filter(({ budget_id }) => budget_id === id);
    expect(moves.every(({ held, cap }) => BigInt(held) <= BigInt(cap))).toBe(true);
    expect(tally(results)).toEqual({ held: 10, BUDGET_EXCEEDED: PROCESSES * 6 - 10 });
    expect(moves.map(({ entry_no }) => entry_no).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, index) => index + 2));
  });

  test('invariant 7: a shared ancestor is charged by every scope below it', async () => {
    await here.budget('25', 'tenant:acme/workspace:shared');
    for (let process = 0; process < PROCESSES; process += 1) await here.budget('1000', `tenant:acme/workspace:shared/app:a${process}`);
    const results = await racers.race(lists(4, (process) => reserve(here.grant({ scope_path: `tenant:acme/workspace:shared/app:a${process}` }))));
    expect(tally(results)).toEqual({ held: 25, BUDGET_EXCEEDED: PROCESSES * 4 - 25 });
    const { rows } = await here.pool.query<{ sum: string }>("SELECT sum(held) FROM budget WHERE scope_path LIKE 'tenant:acme/workspace:shared/app:%'");
    expect(rows[0]?.sum).toBe('25');
  });

  test('invariants 4, 5: the last uses of a grant are claimed once each', async () => {
    const scope = 'tenant:acme/app:last_use';
    await here.budget('1000', scope);
    const grants = Array.from({ length: 4 }, () => here.grant({ scope_path: scope, max_uses: 4 }));
    // The first use makes the row; the racers name it, so that its lock alone stands between them.
    for (const grant of grants) expect((await here.reserve(grant)).status).toBe(201);
    const byId = (grant: Grant, useNo: number): AuthorityCommand => {
      const { presented: _, ...command } = reserve(grant, useNo);
      return { ...command, request: { ...command.request, grant_id: grant.grant_id } };
    };
    const results = await racers.race(lists(16, (process, turn) => byId(grants[turn % 4] ?? here.grant(), 2 + ((process + (turn >> 2)) % 4))));
    expect(tally(results)).toEqual({ held: 12, GRANT_EXHAUSTED: PROCESSES * 16 - 12 });
    const claims = (await here.events('ReservationHeld')).filter(({ data }) => grants.some(({ grant_id }) => grant_id === data['grant_id'])).map(({ data }) => `${data['grant_id'] as string} ${data['use_no'] as number}`);
    expect(new Set(claims).size).toBe(16);
    expect(claims).toHaveLength(16);
  });

  test('invariant 15: when a freeze has answered fenced, no claim in its scope comes after, with every process under load', async () => {
    const scope = 'tenant:acme/app:frozen';
    await here.budget('100000', scope);
    let heldAtFence = -1;
    let epoch = -1;
    const heldNow = () => here.count("SELECT FROM reservation WHERE scope_path = $1", [scope]);
    const results = await racers.race(
      lists(60, () => reserve(here.grant({ scope_path: scope, action_kind: 'mail.read' }))),
      async () => {
        await here.until('load', async () => (await heldNow()) >= 40);
        const answer = await here.post('/v1/freezes', { scope: 'kind', value: 'mail.read', reason: 'under load' }, here.personToken('acme'));
        heldAtFence = await heldNow();
        epoch = answer.body['fence_epoch'] as number;
        expect(answer.status).toBe(201);
      },
    );
    const counts = tally(results);
    // The race must have happened: claims before the fence, refusals after it.
    expect(counts['FROZEN']).toBeGreaterThan(0);
    expect(await heldNow()).toBe(heldAtFence);
    expect(counts).toEqual({ held: heldAtFence, FROZEN: PROCESSES * 60 - heldAtFence });
    expect(await here.count('SELECT FROM reservation WHERE scope_path = $1 AND fence_epoch >= $2', [scope, epoch])).toBe(0);
  });

  test('invariant 8: every claim ends once, whoever is fastest to end it', async () => {
    const scope = 'tenant:acme/app:ends';
    const id = await here.budget('100000', scope);
    const held = await Promise.all(Array.from({ length: 12 }, () => here.reserve(here.grant({ scope_path: scope, risk_points: 2 }))));
    const ids = held.map(({ body }) => body['reservation_id'] as string);
    const ends = [
      { type: 'CommitReservation', data: { attestedBy: 'executor', actual: [{ unit: 'RISK_POINTS', amount: '1' }] } },
      { type: 'ReleaseReservation', data: { attestedBy: 'executor', outcome: 'FAILED', reason: 'raced' } },
      { type: 'MarkReservationUnknown', data: { attestedBy: 'executor', reason: 'raced' } },
    ] as const;
    await racers.race(
      lists(12, (process, turn) => ({ kind: 'settle', tenant: 'acme', reservationId: ids[turn] ?? '', actor: { type: 'service', id: 'executor' }, command: ends[process % 3] ?? ends[0] })),
    );
    const { rows } = await here.pool.query<{ ends: string }>(
      "SELECT count(*) AS ends FROM event WHERE aggregate = 'reservation' AND subject = ANY ($1) AND type ~ 'Reservation(Committed|Released|Expired)' GROUP BY subject",
      [ids],
    );
    expect(rows.map((row) => row.ends)).toEqual(ids.map(() => '1'));
    const budget = (await here.pool.query<{ held: string; committed: string }>('SELECT held, committed FROM budget WHERE budget_id = $1', [id])).rows[0];
    const committed = await here.count("SELECT FROM reservation WHERE scope_path = $1 AND status = 'Committed'", [scope]);
    expect(budget).toEqual({ held: '0', committed: String(committed) });
  });

  const underLimits = (limits: JsonValue) => here.publishPolicy('acme', { ...(BASE_POLICY as Record<string, JsonValue>), limits });
  const inRun = (run: string, grant: Grant): Grant => ({ ...grant, run_id: run, facts: { ...grant.facts, run_id: run } });

  /** One for each process, so that no budget stands between them. */
  const scopesOf = async (name: string): Promise<readonly string[]> => {
    const scopes = Array.from({ length: PROCESSES }, (_, process) => `tenant:acme/app:${name}${process}`);
    for (const scope of scopes) await here.budget('100000', scope);
    return scopes;
  };

  test('invariant 7: the first and the last steps of a run are given out once, while others are settled', async () => {
    const scopes = await scopesOf('steps');
    await underLimits({ run: { max_steps: 20 } });
    // Settling takes the locks of runs too, and in the same order, or the two would wait for each other.
    const before = await Promise.all(scopes.flatMap((scope_path) => [0, 1].map((run) => here.reserve(inRun(`before-${run}`, here.grant({ scope_path }))))));
    const ends = before.flatMap(({ status, body }) => (status === 201 ? [body['reservation_id'] as string] : []));
    const results = await racers.race(
      lists(6, (process, turn) =>
        turn % 2 === 0 || ends[process] === undefined
          ? reserve(inRun(turn % 4 === 0 ? 'raced' : 'raced-too', here.grant({ scope_path: scopes[process] ?? '' })))
          : { kind: 'settle', tenant: 'acme', reservationId: ends[process] ?? '', actor: { type: 'service', id: 'executor' }, command: { type: 'CommitReservation', data: { attestedBy: 'executor', actual: [] } } },
      ),
    );
    const counts = tally(results);
    expect(Object.keys(counts).filter((result) => result.startsWith('error'))).toEqual([]);
    const { rows } = await here.pool.query("SELECT cap, held, entry_no FROM budget WHERE run_limit = 'max_steps' AND scope_path LIKE '%/run:raced%' ORDER BY scope_path");
    expect(rows).toEqual([{ cap: '20', held: '20', entry_no: '20' }, { cap: '20', held: String((counts['held'] ?? 0) - 20), entry_no: String((counts['held'] ?? 0) - 20) }]);
  });

  test('invariant 7: what a window allows, and what all uses of a grant may claim, is given out once', async () => {
    const scopes = await scopesOf('window');
    await underLimits({ velocity: [{ id: 'raced', by: ['agent'], window: '1h', max_count: 25 }] });
    const counted = tally(await racers.race(lists(5, (process) => reserve(here.grant({ scope_path: scopes[process] ?? '' })))));
    expect(counted).toEqual({ held: 25, VELOCITY_EXCEEDED: PROCESSES * 5 - 25 });
    await here.publishPolicy('acme', BASE_POLICY);
    const grant = here.grant({ scope_path: scopes[0] ?? '', max_uses: 100, risk_points: 3, total_points: 31 });
    const claimed = tally(await racers.race(lists(3, (process, turn) => reserve(grant, 1 + process * 3 + turn))));
    expect(claimed).toEqual({ held: 10, POINTS_EXCEEDED: PROCESSES * 3 - 10 });
  });

  test('invariant 22: rows folded from the log alone are the rows', async () => {
    const { rows: log } = await here.pool.query<{ bytes: Buffer }>('SELECT bytes FROM event ORDER BY xid, position');
    const folded = foldLog(log.map(({ bytes }) => bytes));
    const reservations = await here.pool.query<{ reservation_id: string; status: string; version: number; expires_at: Date }>('SELECT reservation_id, status, version, expires_at FROM reservation ORDER BY reservation_id');
    expect(folded.reservations).toEqual(reservations.rows.map((row) => ({ ...row, expires_at: row.expires_at.getTime() })));
    const budgets = await here.pool.query(FOLDED_BUDGETS);
    expect(folded.budgets).toEqual(budgets.rows);
    const freezes = await here.pool.query('SELECT freeze_id, status FROM scope_freeze ORDER BY freeze_id');
    expect(folded.freezes).toEqual(freezes.rows);
    const uses = await here.pool.query('SELECT grant_id, use_no, reservation_id FROM reservation WHERE grant_id IS NOT NULL ORDER BY reservation_id');
    expect(folded.uses).toEqual(uses.rows);
    expect(reservations.rows.length).toBeGreaterThan(50);
  });
});
