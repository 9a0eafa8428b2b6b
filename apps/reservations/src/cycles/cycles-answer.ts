import { Answer } from '@exequatur/service-kit';
import type { CyclesUnit } from './cycles-shapes.js';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** Amounts are JSON integers in the protocol and bigint here; JSON.stringify knows no bigint, and a double is too short. */
export const amountText = (unit: string, amount: bigint | number): string => `{"unit":"${unit}","amount":${amount}}`;

export const answered = (status: number, text: string): Answer => new Answer(status, Buffer.from(text, 'utf8'), JSON_TYPE);

/**
 * A success that leaves a live reservation. What is kept for replays is without `remaining_ttl_ms`, which the protocol wants
 * counted anew each time an answer is made.
 */
export class LeaseAnswer extends Answer {
  constructor(
    text: string,
    readonly remainingMs: number,
  ) {
    super(200, Buffer.from(text, 'utf8'), JSON_TYPE);
  }
}

/** The same answer with the time that is left, as its last member. */
export const withRemaining = ({ status, body, headers }: Answer, remainingMs: number): Answer =>
  new Answer(status, Buffer.concat([body.subarray(0, -1), Buffer.from(`,"remaining_ttl_ms":${Math.max(0, Math.floor(remainingMs))}}`)]), headers);

/** Scope names hold no character that JSON would escape. */
const quoted = (texts: readonly string[]): string => texts.map((text) => `"${text}"`).join(',');

export interface PlacedHold {
  readonly reservationId: string;
  readonly unit: CyclesUnit | string;
  readonly amount: bigint | number;
  readonly expiresAtMs: number;
  readonly scopePath: string;
  readonly scopes: readonly string[];
}

/** `ReservationCreateResponse` of a live reservation. */
export const createdText = ({ reservationId, unit, amount, expiresAtMs, scopePath, scopes }: PlacedHold): string =>
  `{"decision":"ALLOW","reservation_id":"${reservationId}","reserved":${amountText(unit, amount)},"expires_at_ms":${expiresAtMs},"scope_path":"${scopePath}","affected_scopes":[${quoted(scopes)}]}`;

/** `DecisionResponse`, and `ReservationCreateResponse` of a dry run: nothing came of it. */
export const decisionText = (reasonCode: string | undefined, scopes: readonly string[]): string =>
  `{"decision":"${reasonCode === undefined ? 'ALLOW' : 'DENY'}",${reasonCode === undefined ? '' : `"reason_code":"${reasonCode}",`}"affected_scopes":[${quoted(scopes)}]}`;

export const committedText = (unit: string, charged: bigint, reserved: bigint): string =>
  `{"status":"COMMITTED","charged":${amountText(unit, charged)}${charged < reserved ? `,"released":${amountText(unit, reserved - charged)}` : ''}}`;

export const releasedText = (unit: string, amount: bigint): string => `{"status":"RELEASED","released":${amountText(unit, amount)}}`;

export const extendedText = (expiresAtMs: number): string => `{"status":"ACTIVE","expires_at_ms":${expiresAtMs}}`;

export const appliedText = (eventId: string, unit: string, charged: bigint): string => `{"status":"APPLIED","event_id":"${eventId}","charged":${amountText(unit, charged)}}`;
