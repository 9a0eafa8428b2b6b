import { expect, test } from '@jest/globals';
import type { BudgetWindow, OveragePolicy } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import fc from 'fast-check';
import { changeBudget, holdBudget, newLedger, replay, reserve, settleOne, unitAmounts } from './ledger.fixture.js';
import type { MemoryLedger } from './ledger.fixture.js';
import { heldIn, modelCap, modelCommit, modelHold, modelReturn, spentIn, windowText } from './ledger-model.fixture.js';
import type { ModelBudget, ModelReservation } from './ledger-model.fixture.js';
import { DEFAULT_LIMITS } from '../limits.js';
import { aGrant, aRequest, id, NOW } from '../reserve-question.fixture.js';
import { runBudgetIdOf, runScopePath } from '../run-limits.js';

/** A tree of four levels, three units, and two agents in it. EXEQUATUR_LONG=1 runs 10,000 new sequences instead of the same 500. */
const RUNS = process.env['EXEQUATUR_LONG'] === '1' ? { numRuns: 10_000 } : { numRuns: 500, seed: 20_261_120 };
const LEVELS = ['tenant:acme', 'tenant:acme/workspace:sales', 'tenant:acme/workspace:sales/app:outreach', 'tenant:acme/workspace:sales/app:outreach/agent:a'] as const;
const LEAVES = [LEVELS[3], `${LEVELS[2]}/agent:b`, LEVELS[2]] as const;
const UNITS = ['RISK_POINTS', 'USD_MICROCENTS', 'TOKENS'] as const;
const WINDOWS: readonly BudgetWindow[] = ['lifetime', 'hour', 'hour', 'day', 'month', 'lifetime'];
const OVERAGES: readonly (OveragePolicy | undefined)[] = [undefined, 'reject', 'allow_if_available', 'allow_with_overdraft', 'allow_if_available', 'allow_with_overdraft'];
const HASH = aGrant().policy_hash;

type Step = readonly [kind: string, a: number, b: number, c: number, d: number];
const KINDS = ['define', 'define', 'define', 'adjust', 'fund', 'close', 'hold', 'hold', 'hold', 'hold', 'reserve', 'reserve', 'reserve', 'start', 'commit', 'commit', 'commit', 'commit', 'release', 'unknown', 'reconcile', 'extend', 'sweep', 'freeze', 'lift', 'revoke', 'wait', 'wait', 'wait'] as const;
const step: fc.Arbitrary<Step> = fc.tuple(fc.constantFrom(...KINDS), fc.nat(1_000_000), fc.nat(1_000_000), fc.nat(60), fc.nat(1_000_000));
/** Most sequences begin with budgets, or nothing would ever be held. */
const sequence = fc.tuple(fc.array(step.map((each): Step => ['define', ...(each.slice(1) as [number, number, number, number])]), { minLength: 3, maxLength: 9 }), fc.array(step, { minLength: 15, maxLength: 50, size: 'max' }), fc.constantFrom(undefined, 2)).map(([first, then, maxSteps]) => ({ steps: [...first, ...then], maxSteps }));

const pick = <T>(from: readonly T[], number: number): T | undefined => from[number % Math.max(1, from.length)];

/** Both ledgers, side by side. */
class Twin {
  readonly ledger: MemoryLedger;
  readonly budgets: ModelBudget[] = [];
  readonly reservations: ModelReservation[] = [];
  readonly frozen: string[] = [];
  private readonly grants: { readonly id: string; revoked: boolean; uses: number; readonly leaf: string }[] = [];
  private ids = 100;
  readonly seen = new Map<string, number>();

  constructor(private readonly maxSteps: number | undefined) {
    this.ledger = newLedger('acme', HASH, NOW, maxSteps === undefined ? {} : { run: { max_steps: maxSteps } });
  }

  do([kind, a, b, c, d]: Step): void {
    const outcome = this.both(kind, a, b, BigInt(c), d);
    if (outcome === undefined) return;
    const what = `${kind} ${outcome.model ?? 'done'}`;
    if (outcome.real !== outcome.model) expect(`${kind} ${outcome.real ?? 'done'}`).toBe(what);
    this.note(what);
  }

  private note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  private both(kind: string, a: number, b: number, amount: bigint, d: number): { readonly real: string | undefined; readonly model: string | undefined } | undefined {
    const budget = pick(this.budgets.filter(({ window }) => window !== 'run'), a);
    // Mostly one that stands; now and then one that has ended.
    const live = this.reservations.filter(({ status }) => status !== 'ended');
    const reservation = pick(b % 6 === 0 || live.length === 0 ? this.reservations : live, a);
    switch (kind) {
      case 'define':
        return this.define(a, b, amount, d);
      case 'adjust':
        if (budget === undefined) return undefined;
        return { real: changeBudget(this.ledger, budget.id, { type: 'AdjustBudget', data: { cap: amount, reason: 'x', nowMs: this.ledger.nowMs } }), model: modelCap(budget, amount, this.ledger.nowMs, true) };
      case 'fund':
        if (budget === undefined || amount === 0n) return undefined;
        return { real: changeBudget(this.ledger, budget.id, { type: 'FundBudget', data: { amount, reason: 'x', nowMs: this.ledger.nowMs } }), model: modelCap(budget, budget.cap + amount, this.ledger.nowMs, false) };
      case 'close':
        // Closed budgets block their whole subtree: once in a while is enough.
        if (budget === undefined || d % 6 !== 0) return undefined;
        budget.closed = true;
        return { real: changeBudget(this.ledger, budget.id, { type: 'CloseBudget', data: { reason: 'x' } }), model: undefined };
      case 'hold':
        return this.hold(a, b, amount, d);
      case 'reserve':
        return this.reserve(a, b, amount, d);
      case 'start':
        return reservation === undefined ? undefined : this.start(reservation);
      case 'commit':
      case 'reconcile':
        return reservation === undefined ? undefined : this.commit(reservation, kind === 'reconcile' ? 'person' : 'agent', b, amount);
      case 'release':
        return reservation === undefined ? undefined : this.release(reservation);
      case 'unknown':
        return reservation === undefined ? undefined : this.unknown(reservation);
      case 'extend':
        if (reservation === undefined) return undefined;
        settleOne(this.ledger, reservation.id, { type: 'ExtendReservation', data: { byMs: b, heldAtMs: NOW } });
        return undefined;
      case 'sweep':
        for (const each of this.reservations) this.sweep(each);
        return undefined;
      case 'freeze': {
        if (d % 3 !== 0) return undefined;
        const agent = pick(['a', 'b'], a) ?? 'a';
        if (!this.frozen.includes(agent)) this.frozen.push(agent);
        this.ledger.freezes.set(agent, { freezeId: agent, scope: 'agent', value: agent });
        return undefined;
      }
      case 'lift':
        this.frozen.length = 0;
        this.ledger.freezes.clear();
        return undefined;
      case 'revoke': {
        const grant = pick(this.grants, a);
        if (grant === undefined || d % 3 !== 0) return undefined;
        grant.revoked = true;
        const known = this.ledger.grants.get(grant.id);
        if (known !== undefined) known.closed = 'revoked';
        return undefined;
      }
      default:
        // Seconds mostly; sometimes past a TTL, an hour, a day or a month.
        this.ledger.nowMs += pick([1_000, 4_000, 70_000, 3_600_000, 3_600_000, b % 2 === 0 ? 86_400_000 : 2_678_400_000], a) ?? 0;
        return undefined;
    }
  }

  private define(a: number, b: number, c: bigint, d: number) {
    const path = pick([...LEVELS, LEAVES[1]], a) ?? LEVELS[0];
    const unit = pick(UNITS, b) ?? 'TOKENS';
    if (this.budgets.some((each) => each.path === path && each.unit === unit)) return undefined;
    const budgetId = id(this.ids++);
    const cap = c * 3n;
    const window = pick(WINDOWS, d) ?? 'lifetime';
    const overagePolicy = pick(OVERAGES, Math.floor(d / 7));
    const overdraftLimit = pick([0n, 15n, 40n], Math.floor(d / 49)) ?? 0n;
    this.budgets.push({ id: budgetId, path, unit, cap, window, overage: overagePolicy, overdraft: overdraftLimit, closed: false, over: false, debt: 0n, current: windowText(window, this.ledger.nowMs), caps: new Map(), entries: [], paid: [] });
    const data = { budgetId, scopePath: path, unit, cap, window, nowMs: this.ledger.nowMs, overdraftLimit, ...(overagePolicy === undefined ? {} : { overagePolicy }) };
    return { real: changeBudget(this.ledger, budgetId, { type: 'DefineBudget', data }), model: undefined };
  }

  private onPath(leaf: string): readonly ModelBudget[] {
    return this.budgets.filter(({ path, window }) => window !== 'run' && (leaf === path || leaf.startsWith(`${path}/`)));
  }

  private hold(a: number, b: number, c: bigint, d: number) {
    const amount = c / 3n;
    const scopePath = pick(LEAVES, a) ?? LEVELS[3];
    const agent = pick(['a', 'b'], b) ?? 'a';
    const amounts = { [pick(UNITS, b) ?? 'TOKENS']: amount, [pick(UNITS, d) ?? 'TOKENS']: amount / 2n };
    const overagePolicy = pick(OVERAGES, d);
    const reservationId = id(this.ids++);
    const decision = holdBudget(this.ledger, { reservationId, agent, scopePath, runId: 'run-1', amounts: unitAmounts(amounts), ttlMs: d % 2 === 0 ? 20_000 : 86_400_000, ...(overagePolicy === undefined ? {} : { overagePolicy }) });
    const model = this.frozen.includes(agent) ? 'FROZEN' : modelHold(this.onPath(scopePath), [], reservationId, amounts, {}, this.ledger.nowMs);
    return this.claimed(reservationId, decision.held ? undefined : decision.code, model, overagePolicy);
  }

  private reserve(a: number, b: number, amount: bigint, d: number) {
    if (this.grants.length < 2 || d % 3 === 0) this.issue(d);
    const grant = pick(this.grants, a);
    const row = this.ledger.grants.get(grant?.id ?? '');
    if (grant === undefined || row === undefined) return undefined;
    const agent = row.claims.agent_identity;
    const useNo = 1 + (b % 4);
    const isFree = useNo <= 3 && !row.usesTaken.has(useNo);
    const reservationId = id(this.ids++);
    const amounts: Record<string, bigint> = { RISK_POINTS: BigInt(row.claims.risk_points), USD_MICROCENTS: BigInt(row.claims.amounts[0]?.amount ?? '0'), TOKENS: amount / 4n };
    const request = aRequest({ grant_id: grant.id, scope_path: grant.leaf, use_no: useNo, amounts: [{ unit: 'TOKENS', amount: (amount / 4n).toString() }] });
    const expired = this.ledger.nowMs >= Date.parse(row.claims.expires_at);
    const decision = reserve(this.ledger, reservationId, request, agent);
    const model = grant.revoked ? 'GRANT_REVOKED' : expired ? 'GRANT_EXPIRED' : !isFree ? 'GRANT_EXHAUSTED' : this.frozen.includes(agent) ? 'FROZEN' : modelHold(this.onPath(grant.leaf), this.runBudgets(agent), reservationId, amounts, { STEPS: 1n }, this.ledger.nowMs);
    return this.claimed(reservationId, decision.held ? undefined : decision.code, model, undefined);
  }

  private issue(d: number): void {
    const leaf = pick(LEAVES, d) ?? LEVELS[3];
    const grantId = id(this.ids++);
    const claims = aGrant({ grant_id: grantId, scope_path: leaf, agent_identity: pick(['a', 'b'], d) ?? 'a', max_uses: 3, risk_points: d % 12, amounts: [{ unit: 'USD_MICROCENTS', amount: String(d % 17) }], on_silence: d % 2 === 0 ? 'expire' : 'unknown', expires_at: toInstant(this.ledger.nowMs + 86_400_000 * 3) });
    this.grants.push({ id: grantId, revoked: false, uses: 3, leaf });
    this.ledger.grants.set(grantId, { claims, usesTaken: new Set() });
  }

  private runBudgets(agent: string): readonly ModelBudget[] {
    if (this.maxSteps === undefined) return [];
    const path = runScopePath('acme', agent, 'run-1');
    const budgetId = runBudgetIdOf('acme', agent, 'run-1', 'max_steps', this.ledger.runs.get(path) ?? this.ledger.nowMs);
    const known = this.budgets.find((each) => each.id === budgetId);
    if (known !== undefined) return [known];
    const fresh: ModelBudget = { id: budgetId, path, unit: 'STEPS', cap: BigInt(this.maxSteps), window: 'run', overage: undefined, overdraft: 0n, closed: false, over: false, debt: 0n, current: '', caps: new Map(), entries: [], paid: [] };
    this.budgets.push(fresh);
    return [fresh];
  }

  private claimed(reservationId: string, real: string | undefined, model: string | ModelReservation['holds'], overagePolicy: OveragePolicy | undefined) {
    if (typeof model === 'string') return { real, model };
    this.reservations.push({ id: reservationId, status: 'held', holds: model, overage: overagePolicy });
    return { real, model: undefined };
  }

  /** When the model may be told what the deciders know better: clocks of one reservation are specified elsewhere. */
  private clock(reservation: ModelReservation): { readonly late: boolean; readonly pastExecuteBy: boolean; readonly frozen: boolean; readonly reconcilable: boolean } {
    const state = this.ledger.reservations.get(reservation.id);
    if (state === undefined || !('expiresAt' in state)) throw new Error('the ledger has lost a reservation');
    const agent = this.ledger.claims.get(reservation.id)?.agent ?? '';
    return {
      late: this.ledger.nowMs >= state.expiresAt + DEFAULT_LIMITS.graceMs,
      pastExecuteBy: this.ledger.nowMs > state.executeBy,
      frozen: this.frozen.includes(agent),
      reconcilable: this.ledger.nowMs >= state.executeBy + DEFAULT_LIMITS.assumedRuntimeMs + DEFAULT_LIMITS.reconcileMarginMs,
    };
  }

  private start(reservation: ModelReservation) {
    const real = settleOne(this.ledger, reservation.id, { type: 'StartReservation', data: { attestedBy: 'agent' } });
    const { pastExecuteBy, frozen } = this.clock(reservation);
    const model = reservation.status === 'started' ? undefined : reservation.status !== 'held' ? 'RESERVATION_FINALIZED' : pastExecuteBy ? 'EXECUTE_BY_PASSED' : frozen ? 'FROZEN' : undefined;
    if (model === undefined) reservation.status = 'started';
    return { real: typeof real === 'string' ? real : undefined, model };
  }

  private mayEnd(reservation: ModelReservation, by: 'agent' | 'person'): string | undefined {
    if (reservation.status === 'ended') return 'RESERVATION_FINALIZED';
    if (by === 'person') return reservation.status === 'unknown' ? undefined : 'CONFLICT';
    if (reservation.status === 'unknown') return 'RESERVATION_FINALIZED';
    return this.clock(reservation).late ? 'RESERVATION_EXPIRED' : undefined;
  }

  private commit(reservation: ModelReservation, attestedBy: 'agent' | 'person', b: number, amount: bigint) {
    const units = [...new Set(reservation.holds.map(({ unit }) => unit))];
    const actual = Object.fromEntries((b % 5 === 0 ? ['TOKENS'] : units.filter((_, index) => ((b >> index) & 1) === 1)).map((unit) => [unit, amount]));
    const real = settleOne(this.ledger, reservation.id, { type: 'CommitReservation', data: { attestedBy, actual: unitAmounts(actual) } });
    const model = this.mayEnd(reservation, attestedBy) ?? modelCommit(reservation, actual);
    return { real: typeof real === 'string' ? real : undefined, model };
  }

  private release(reservation: ModelReservation) {
    const real = settleOne(this.ledger, reservation.id, { type: 'ReleaseReservation', data: { attestedBy: 'agent', outcome: 'FAILED', reason: 'x' } });
    const model = this.mayEnd(reservation, 'agent');
    if (model === undefined) modelReturn(reservation);
    return { real: typeof real === 'string' ? real : undefined, model };
  }

  private unknown(reservation: ModelReservation) {
    const real = settleOne(this.ledger, reservation.id, { type: 'MarkReservationUnknown', data: { attestedBy: 'agent', reason: 'x' } });
    const model = reservation.status === 'unknown' ? undefined : this.mayEnd(reservation, 'agent');
    if (model === undefined) reservation.status = 'unknown';
    return { real: typeof real === 'string' ? real : undefined, model };
  }

  private sweep(reservation: ModelReservation): void {
    const before = this.ledger.reservations.get(reservation.id);
    const { late } = this.clock(reservation);
    const real = settleOne(this.ledger, reservation.id, { type: 'SweepReservation', data: {} });
    const due = late && (reservation.status === 'held' || reservation.status === 'started');
    if (real.length !== (due ? 1 : 0)) expect(real).toBe(due ? 'one end' : 'nothing');
    if (!due || before === undefined || !('onSilence' in before)) return;
    if (before.onSilence === 'expire') modelReturn(reservation);
    else reservation.status = 'unknown';
  }

  /** Invariants 7 and 8 in every window, and the same figures in both ledgers. */
  check(): void {
    for (const model of this.budgets) {
      const real = this.ledger.budgets.get(model.id);
      if (real === undefined) continue;
      // Compared as text: expect on objects is a hundred times slower, and this runs after every step.
      const standing = [...new Set(model.entries.filter(({ held, window }) => held > 0n && window !== model.current).map(({ window }) => window))].sort();
      const byModel = [heldIn(model, model.current), spentIn(model, model.current), model.cap, model.debt, model.over, ...standing.flatMap((window) => [window, heldIn(model, window), spentIn(model, window)])].join(' ');
      const byLedger = [real.held, real.committed, real.cap, real.debt ?? 0n, real.overLimit ?? false, ...(real.earlier ?? []).flatMap(({ startMs, held, committed }) => [windowText(model.window, startMs), held, committed])].join(' ');
      if (byLedger !== byModel) expect(`${model.id} ${byLedger}`).toBe(`${model.id} ${byModel}`);
      const isWithin = [real, ...(real.earlier ?? [])].every(({ held, committed, cap }) => held >= 0n && committed >= 0n && held + committed <= cap);
      if (!isWithin || (real.debt ?? 0n) > (real.overdraftLimit ?? 0n)) expect(`${model.id} ${byLedger}`).toBe('within its cap and overdraft');
    }
  }

  /** One terminal event a reservation; nothing spent beyond a hold that was not authorised before; entry numbers without gap. */
  checkLog(): void {
    const ends = new Map<string, number>();
    const authorised = new Set<string>();
    const entries = new Map<string, number>();
    const reserved = new Map<string, bigint>();
    const windows = new Map<string, string>();
    for (const { stream, event } of this.ledger.log) {
      if (event.type === 'OverageAuthorised') for (const { budget_id } of event.data.overages) authorised.add(`${stream} ${budget_id}`);
      if (event.type === 'ReservationCommitted' || event.type === 'ReservationReleased' || event.type === 'ReservationExpired') ends.set(stream, (ends.get(stream) ?? 0) + 1);
      if (event.type === 'OverageAuthorised') this.note(event.data.policy);
      const moves = event.type === 'ReservationHeld' ? event.data.holds : 'moves' in event.data ? event.data.moves : [];
      for (const { budget_id, amount, entry_no, over_limit, window_start } of moves) {
        if (over_limit === true) this.note('over its limit');
        if (event.type === 'ReservationHeld' && window_start !== undefined) windows.set(budget_id, window_start);
        if (event.type === 'ReservationCommitted' && window_start !== undefined && window_start < (windows.get(budget_id) ?? '')) this.note('committed in an earlier window');
        if (event.type === 'ReservationHeld') reserved.set(`${stream} ${budget_id}`, BigInt(amount));
        else if (BigInt(amount) > (reserved.get(`${stream} ${budget_id}`) ?? 0n)) expect(authorised.has(`${stream} ${budget_id}`)).toBe(true);
        if (entry_no !== (entries.get(budget_id) ?? 0) + 1) expect(entry_no).toBe((entries.get(budget_id) ?? 0) + 1);
        entries.set(budget_id, entry_no);
      }
      if (event.type === 'BudgetDefined' || event.type === 'BudgetAdjusted' || event.type === 'BudgetClosed') {
        if (event.data.entry_no !== (entries.get(event.data.budget_id) ?? 0) + 1) expect(event.data.entry_no).toBe((entries.get(event.data.budget_id) ?? 0) + 1);
        entries.set(event.data.budget_id, event.data.entry_no);
      }
    }
    for (const [, count] of ends) expect(count).toBe(1);
  }
}

const MUST_HAPPEN = [
  ...['hold done', 'hold BUDGET_EXCEEDED', 'hold BUDGET_UNKNOWN', 'hold FROZEN', 'reserve done', 'reserve GRANT_EXHAUSTED', 'reserve GRANT_REVOKED', 'reserve RUN_LIMIT_EXCEEDED'],
  ...['commit done', 'commit COMMIT_EXCEEDS_RESERVED', 'commit OVERDRAFT_LIMIT_EXCEEDED', 'commit RESERVATION_EXPIRED', 'committed in an earlier window', 'release done', 'reconcile done', 'adjust CONFLICT'],
  ...['allow_if_available', 'allow_with_overdraft', 'over its limit'],
];

test(
  'invariants 7, 8, 10: any sequence of commands on a tree gives what a naive ledger gives, and the log gives the same state',
  () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(sequence, ({ steps, maxSteps }) => {
        const twin = new Twin(maxSteps);
        for (const each of steps) {
          twin.do(each);
          twin.check();
        }
        twin.checkLog();
        const { budgets, reservations } = replay(twin.ledger);
        expect(budgets).toEqual(twin.ledger.budgets);
        expect(reservations).toEqual(twin.ledger.reservations);
        for (const [what, times] of twin.seen) seen.set(what, (seen.get(what) ?? 0) + times);
      }),
      RUNS,
    );
    // A property that never meets these has shown nothing.
    expect(MUST_HAPPEN.filter((what) => !seen.has(what))).toEqual([]);
  },
  600_000,
);
