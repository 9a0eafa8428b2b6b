import type { Delivery } from '../nest/delivery.js';
import type { InboxLocks, InboxStore, SqlTransaction } from './inbox-store.js';

const REMEMBER = 'INSERT INTO inbox_event (event_id, effect) VALUES ($1, $2) ON CONFLICT DO NOTHING';

/** The only effect of most events. A second handler of the same event in the same service names its own. */
const ONLY_EFFECT = 'effect';

/** Makes the effect of a delivered event happen once, although deliveries repeat. */
export class Inbox<Tx extends SqlTransaction = SqlTransaction> {
  private readonly claimed = new WeakMap<Delivery, Set<string>>();

  constructor(readonly store: InboxStore<Tx>) {}

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

  private claim(delivery: Delivery, effect: string): void {
    const names = this.claimed.get(delivery) ?? new Set();
    if (names.has(effect)) throw new Error(`two effects of ${delivery.event.type} are both named "${effect}"`);
    this.claimed.set(delivery, names.add(effect));
  }
}
