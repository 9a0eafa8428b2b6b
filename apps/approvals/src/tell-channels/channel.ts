/** What people and programs outside are told of. `approval.changed` is everything else that changes what a reader would see. */
export const HAPPENINGS = ['approval.opened', 'approval.escalated', 'approval.reminded', 'approval.emergency', 'approval.resolved', 'approval.changed', 'alert.timeouts'] as const;
export type Happening = (typeof HAPPENINGS)[number];

/** What an endpoint or a person can ask to be told. */
export const TOLD = HAPPENINGS.filter((happening) => happening !== 'approval.changed') as readonly Exclude<Happening, 'approval.changed'>[];

/** Whom a channel tells, as the operator configured it. Asked inside the transaction that records: no query, no waiting. */
export interface Addressees {
  readonly channel: string;
  /** names of addresses; what they stand for is looked up when the notice is sent */
  addresses(tenant: string, happening: Happening): readonly string[];
}

/** One notice of the outbox that is due. */
export interface DueNotice {
  readonly tenant: string;
  readonly event_id: string;
  readonly address: string;
  readonly happening: Happening;
  /** null for an alert, which is about no single request */
  readonly approval_id: string | null;
  /** JSON `{type, timestamp, data}`: ids and states alone */
  readonly body: string;
  /** this one included */
  readonly attempts: number;
}

/** `final`: trying again would change nothing. `afterSeconds`: when the other side wants to be asked again. */
export type Sent = { readonly ok: true } | { readonly ok: false; readonly why: string; readonly final?: true; readonly afterSeconds?: number };

/**
 * A way to reach somebody. `send` makes one attempt and may be called again with the same notice, so what it does twice must
 * be recognisable by `event_id`; it need not catch.
 */
export interface Channel {
  readonly channel: string;
  send(notice: DueNotice): Promise<Sent>;
}

/** Injection tokens: all ways to reach somebody, and whom each of them tells. */
export const CHANNELS = Symbol('channels');
export const ADDRESSEES = Symbol('addressees');
