import { Module } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { AdmitGrantWhenGiven } from './admit-grant/admit-grant.consumer.js';
import { AuthorityBatches } from './authority/authority-batches.js';
import { AuthorityMetrics } from './authority/authority-metrics.js';
import { RuntimeAuthority } from './authority/runtime-authority.js';
import { TenantBoards } from './authority/tenant-board.js';
import { BudgetStore } from './budgets/budget-store.js';
import { BudgetViewHttp } from './budgets/budget-view.http.js';
import { DefineBudgetHttp } from './budgets/define-budget.http.js';
import { CircuitMetrics } from './circuits/circuit-metrics.js';
import { CircuitStore } from './circuits/circuit-store.js';
import { CircuitHttp } from './circuits/circuit.http.js';
import { CountOutcomes } from './circuits/count-outcomes.consumer.js';
import { FoldSeen } from './circuits/fold-seen.js';
import { JudgeCircuits } from './circuits/judge-circuits.js';
import { CloseGrantWhenTakenBack } from './close-grant/close-grant.consumer.js';
import { CyclesBalancesHttp } from './cycles/cycles-balances.http.js';
import { CyclesBatches } from './cycles/cycles-batches.js';
import { CyclesDecideHttp } from './cycles/cycles-decide.http.js';
import { CyclesEventsHttp } from './cycles/cycles-events.http.js';
import { CyclesReservationViewHttp } from './cycles/cycles-reservation-view.http.js';
import { CyclesReservationsHttp } from './cycles/cycles-reservations.http.js';
import { CyclesWire } from './cycles/cycles-wire.js';
import { DelegationStore } from './delegations/delegation-store.js';
import { DelegationHttp } from './delegations/delegation.http.js';
import { BlastRadiusHttp } from './freezes/blast-radius.http.js';
import { FreezeChanges } from './freezes/freeze-changes.js';
import { FreezeStore } from './freezes/freeze-store.js';
import { FreezeHttp } from './freezes/freeze.http.js';
import { StreamFreezesHttp } from './freezes/stream-freezes.http.js';
import { GrantViewHttp } from './grant-view/grant-view.http.js';
import { RefusalsHttp } from './reservation-view/refusals.http.js';
import { ReservationViewHttp } from './reservation-view/reservation-view.http.js';
import { DryRun } from './reserve/dry-run.js';
import { ReserveHttp } from './reserve/reserve.http.js';
import { SettleClaimWhenExecuted } from './settle-execution/settle-execution.consumer.js';
import { SettleReservationHttp } from './settle-reservation/settle-reservation.http.js';
import { ForgetCircuits } from './sweeps/forget-circuits.js';
import { ForgetRuns } from './sweeps/forget-runs.js';
import { ForgetUnneeded } from './sweeps/forget-unneeded.js';
import { QuiesceFreezes } from './sweeps/quiesce-freezes.js';
import { SweepClaims } from './sweeps/sweep-claims.js';
import { SweepCounters } from './sweeps/sweep-counters.js';
import { SweepTimer } from './sweeps/sweep-timer.js';
import { RefusedBundles } from './switch-policy/refused-bundles.js';
import { SwitchPolicyWhenPublished } from './switch-policy/switch-policy.consumer.js';

/** The runtime authority as a service. */
@Module({
  controllers: [
    ReserveHttp,
    SettleReservationHttp,
    RefusalsHttp,
    ReservationViewHttp,
    GrantViewHttp,
    DefineBudgetHttp,
    BudgetViewHttp,
    FreezeHttp,
    BlastRadiusHttp,
    StreamFreezesHttp,
    CircuitHttp,
    DelegationHttp,
    CountOutcomes,
    CyclesReservationsHttp,
    CyclesReservationViewHttp,
    CyclesDecideHttp,
    CyclesEventsHttp,
    CyclesBalancesHttp,
    AdmitGrantWhenGiven,
    CloseGrantWhenTakenBack,
    SettleClaimWhenExecuted,
    SwitchPolicyWhenPublished,
  ],
  providers: [
    TenantBoards,
    { provide: RuntimeAuthority, useFactory: (store: PgEventStore, boards: TenantBoards) => new RuntimeAuthority(store, boards), inject: [PgEventStore, TenantBoards] },
    AuthorityMetrics,
    AuthorityBatches,
    DryRun,
    BudgetStore,
    FreezeStore,
    FreezeChanges,
    CircuitMetrics,
    CircuitStore,
    FoldSeen,
    JudgeCircuits,
    DelegationStore,
    SweepClaims,
    SweepCounters,
    ForgetRuns,
    ForgetCircuits,
    ForgetUnneeded,
    QuiesceFreezes,
    RefusedBundles,
    SweepTimer,
    CyclesWire,
    CyclesBatches,
  ],
})
export class ReservationsModule {}
