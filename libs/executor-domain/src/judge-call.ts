import { capsAdmit, intersectCaps } from '@exequatur/caps';
import type { Caps, Grant } from '@exequatur/contracts';
import { parseAmount } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';
import type { CallEnding } from './outcome.js';

/** What a connector knows of the call it is about to make. */
export interface CallFacts {
  /** `host:port` it will connect to */
  readonly host: string;
  /** Everybody who will be written to; undefined where the connector cannot tell. */
  readonly recipients?: readonly string[];
}

/** Runtime where neither grant nor reservation names one; milliseconds. Reservations assumes the same. */
export const DEFAULT_RUNTIME_MS = 60_000;

/** The narrower of what was granted and what reservations left of it. */
export const effectiveCaps = (granted: Caps, reserved: Caps): Caps => intersectCaps(granted, reserved);

export const runtimeMs = (caps: Caps): number => (caps.max_runtime_sec === undefined ? DEFAULT_RUNTIME_MS : caps.max_runtime_sec * 1_000);

const amountsOf = ({ amounts, risk_points }: Pick<Grant, 'amounts' | 'risk_points'>): Amounts => ({
  ...Object.fromEntries(amounts.map(({ unit, amount }) => [unit, parseAmount(amount)])),
  RISK_POINTS: BigInt(risk_points),
});

/** Judged right before the effect: where it goes, whom it reaches, how much it moves. Undefined when the caps admit it. */
export const judgeCall = (caps: Caps, grant: Pick<Grant, 'amounts' | 'risk_points'>, facts: CallFacts): Extract<CallEnding, { phase: 'not_sent' }> | undefined => {
  if (capsAdmit(caps, { hosts: [facts.host] }, ['network_allowlist']) !== undefined) return { phase: 'not_sent', because: 'egress' };
  const known = { amounts: amountsOf(grant), ...(facts.recipients === undefined ? {} : { recipients: facts.recipients }) };
  return capsAdmit(caps, known, ['max_amount', 'allowed_recipients']) === undefined ? undefined : { phase: 'not_sent', because: 'cap' };
};
