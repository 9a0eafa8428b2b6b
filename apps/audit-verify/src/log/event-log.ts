import { ReservationHeld } from '@exequatur/contracts';
import type { DataOf, EventDefinition, Grant } from '@exequatur/contracts';
import type { LogEvent } from './log-event.js';

export type Held = DataOf<typeof ReservationHeld>;
/** A claim: a hold that takes one use of a grant. Holds without a grant (`budget_only`) give no authority. */
export type Claim = LogEvent<Held & { readonly grant_id: string; readonly use_no: number }>;
export type Granting = LogEvent & { readonly grant: Grant };

export interface LogOptions {
  /**
   * What is missing beside an event this young (in ms, against the newest of the log or `asOfMs`) may still be under way. 0 for
   * a log at rest: then every missing counterpart is a violation.
   */
  readonly settleMs?: number;
  /** When the log was looked at, Unix ms. */
  readonly asOfMs?: number;
  /** Leaves of it are no longer kept: what is missing beside old events may have been among them. */
  readonly pruned?: boolean;
}

/** Events of one tenant with the ways the invariants look at them. Order inside a stream is by version, never by arrival. */
export class EventLog {
  private readonly byType = new Map<string, LogEvent[]>();
  private readonly byStream = new Map<string, LogEvent[]>();
  private readonly newestMs: number;
  private readonly settleMs: number;
  /** Every event that carries a grant, by grant_id: exactly one each, when all is well. */
  readonly grants: ReadonlyMap<string, readonly Granting[]>;
  readonly claims: readonly Claim[];

  constructor(
    readonly events: readonly LogEvent[],
    { settleMs = 0, asOfMs = 0 }: LogOptions = {},
  ) {
    this.settleMs = settleMs;
    let newestMs = asOfMs;
    for (const event of events) {
      newestMs = Math.max(newestMs, event.timeMs);
      gather(this.byType, event.type, event);
      gather(this.byStream, event.stream, event);
    }
    this.newestMs = newestMs;
    for (const stream of this.byStream.values()) stream.sort((a, b) => a.version - b.version);
    const grants = new Map<string, Granting[]>();
    for (const event of events) if (event.grant !== undefined) gather(grants, event.grant.grant_id, event as Granting);
    this.grants = grants;
    this.claims = this.of(ReservationHeld).filter((event): event is Claim => event.data.purpose === 'execution' && event.data.grant_id !== undefined && event.data.use_no !== undefined);
  }

  of<D>(definition: EventDefinition<string, D>): readonly LogEvent<D>[] {
    return (this.byType.get(definition.type) ?? []) as LogEvent<D>[];
  }

  /** By one of their ids. */
  indexed<D>(definition: EventDefinition<string, D>, idOf: (data: D) => string | undefined): ReadonlyMap<string, readonly LogEvent<D>[]> {
    const index = new Map<string, LogEvent<D>[]>();
    for (const event of this.of(definition)) {
      const id = idOf(event.data);
      if (id !== undefined) gather(index, id, event);
    }
    return index;
  }

  /** Oldest first. */
  stream(key: string): readonly LogEvent[] {
    return this.byStream.get(key) ?? [];
  }

  get streams(): ReadonlyMap<string, readonly LogEvent[]> {
    return this.byStream;
  }

  /** The one grant a claim names; undefined when there is none or more than one. */
  grantOf(claim: Claim): Granting | undefined {
    const found = this.grants.get(claim.data.grant_id) ?? [];
    return found.length === 1 ? found[0] : undefined;
  }

  /** What belongs beside this event may still be on its way into the log. */
  isRecent(event: LogEvent): boolean {
    return event.timeMs > this.newestMs - this.settleMs;
  }

  /** Time of the newest event of a service, Unix ms; 0 without any. */
  newestOf(service: string): number {
    return this.events.reduce((newest, event) => (event.service === service ? Math.max(newest, event.timeMs) : newest), 0);
  }
}

const gather = <T>(index: Map<string, T[]>, key: string, entry: T): void => {
  const known = index.get(key);
  if (known) known.push(entry);
  else index.set(key, [entry]);
};

export const isEvent = <D>(event: LogEvent, definition: EventDefinition<string, D>): event is LogEvent<D> => event.type === definition.type;
