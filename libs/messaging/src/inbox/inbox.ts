import type { Delivery } from '../nest/delivery.js';
import { statementsOf } from './inbox-store.js';
import type { InboxLocks, InboxStore, SqlTransaction, Statements } from './inbox-store.js';

const REMEMBER = 'INSERT INTO inbox_event (event_id, effect) VALUES ($1, $2) ON CONFLICT DO NOTHING';

/** Sorted, so that two members who overlap after a rebalance cannot wait for each other. */
const REMEMBER_MANY = `
INSERT INTO inbox_event (event_id, effect)
SELECT id, $2 FROM unnest($1::uuid[]) AS given (id) ORDER BY id
ON CONFLICT DO NOTHING RETURNING event_id`;

/** The only effect of most events. A second handler of the same event in the same service names its own. */
const ONLY_EFFECT = 'effect';

/** Makes the effect of a delivered event happen once, although deliveries repeat. */
export class Inbox<Tx extends SqlTransaction = SqlTransaction> {
  private readonly claimed = new WeakMap<Delivery, Set<string>>();

  /** @param statements the store's pool, for what needs no transaction around it; else each costs a whole one */
  constructor(
    readonly store: InboxStore<Tx>,
    readonly statements: Statements = statementsOf(store),
  ) {}

  /**
   * One transaction: takes `locks`, records the event as seen, runs `work` (which appends its events through the store with
   * the same tx). 'duplicate' when it had been done before; then `work` did not run. A throw of `work` undoes all of it.
   *
   * @param effect names the effect when several handlers of this service react to one event.
   * @throws Error when two handlers of one delivery use the same name: the second would never run
   */
  async once(delivery: Delivery, locks: InboxLocks, work: (tx: Tx) => Promise<void>, effect: string = ONLY_EFFECT): Promise<'done' | 'duplicate'> {
    this.claim(delivery, effect);
    return this.store.transact(locks, async (tx) => {
      const recorded = await tx.query(REMEMBER, [delivery.event.id, effect]);
      if (recorded.rowCount === 0) return 'duplicate';
      await work(tx);
      return 'done';
    });
  }

  /**
   * `once` for a run of deliveries: one transaction, in which `work` gets those not done before, in the order given; it does
   * not run when there are none. A throw of `work` undoes the whole run.
   *
   * @param effect as for `once`, and the same name there and here
   */
  async onceMany<D>(deliveries: readonly Delivery<D>[], locks: InboxLocks, work: (tx: Tx, fresh: readonly Delivery<D>[]) => Promise<void>, effect: string = ONLY_EFFECT): Promise<void> {
    if (deliveries.length === 0) return;
    for (const delivery of deliveries) this.claim(delivery, effect);
    const byId = new Map(deliveries.toReversed().map((delivery) => [delivery.event.id, delivery]));
    await this.store.transact(locks, async (tx) => {
      const { rows } = await tx.query(REMEMBER_MANY, [[...byId.keys()], effect]);
      const recorded = new Set((rows as { event_id: string }[]).map(({ event_id }) => event_id));
      const fresh = deliveries.filter((delivery) => recorded.has(delivery.event.id) && byId.get(delivery.event.id) === delivery);
      if (fresh.length > 0) await work(tx, fresh);
    });
  }

  private claim(delivery: Delivery, effect: string): void {
    const names = this.claimed.get(delivery) ?? new Set();
    if (names.has(effect)) throw new Error(`two effects of ${delivery.event.type} are both named "${effect}"`);
    this.claimed.set(delivery, names.add(effect));
  }
}
