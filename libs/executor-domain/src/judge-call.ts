import { capsAdmit, intersectCaps } from '@exequatur/caps';
import type { Caps, Grant } from '@exequatur/contracts';
import { parseAmount } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';
import type { ExtractedFacts } from './extract-facts.js';
import type { CallEnding } from './outcome.js';

/** What a connector knows of the call it is about to make. */
export interface CallFacts extends ExtractedFacts {
  /** `host:port` it will connect to */
  readonly host: string;
  /** What the connector reaches, as its configuration says; undefined where it says nothing. */
  readonly environment?: string;
}

/** Of a grant, what a call is compared with. */
export type CallGrant = Pick<Grant, 'amounts' | 'risk_points'> & { readonly tool: { readonly name: string }; readonly facts: Pick<Grant['facts'], 'environment'> };

type NotSent = Extract<CallEnding, { phase: 'not_sent' }>;

/** Runtime where neither grant nor reservation names one; milliseconds. Reservations assumes the same. */
export const DEFAULT_RUNTIME_MS = 60_000;

/** The narrower of what was granted and what reservations left of it. */
export const effectiveCaps = (granted: Caps, reserved: Caps): Caps => intersectCaps(granted, reserved);

export const runtimeMs = (caps: Caps): number => (caps.max_runtime_sec === undefined ? DEFAULT_RUNTIME_MS : caps.max_runtime_sec * 1_000);

const grantedAmounts = ({ amounts, risk_points }: CallGrant): Amounts => ({
  ...Object.fromEntries(amounts.map(({ unit, amount }) => [unit, parseAmount(amount)])),
  RISK_POINTS: BigInt(risk_points),
});

/** What the bytes move beyond what was granted, and so beyond what is held. */
const exceedsGrant = (granted: Amounts, found: Amounts): boolean => Object.entries(found).some(([unit, amount]) => Object.hasOwn(granted, unit) && amount > (granted[unit] ?? 0n));

/** Left to whoever executes: reservations has judged some of it on what was claimed, this is what will really be done. */
const JUDGED = ['max_amount', 'allowed_recipients', 'environments', 'tools', 'models', 'row_limit'] as const;

/**
 * Judged right before the effect: where it goes, whom it reaches, how much it moves, in which environment. What caps bound and
 * nobody knows is not admitted. Undefined when the call may be made.
 */
export const judgeCall = (caps: Caps, grant: CallGrant, facts: CallFacts): NotSent | undefined => {
  if (capsAdmit(caps, { hosts: [facts.host] }, ['network_allowlist']) !== undefined) return { phase: 'not_sent', because: 'egress' };
  const claimed = grant.facts.environment;
  // Granted for one environment, and the connector reaches another.
  if (claimed !== undefined && facts.environment !== undefined && claimed !== facts.environment) return { phase: 'not_sent', because: 'refused' };
  const granted = grantedAmounts(grant);
  if (exceedsGrant(granted, facts.amounts ?? {})) return { phase: 'not_sent', because: 'cap' };
  const environment = facts.environment ?? claimed;
  const known = {
    amounts: { ...granted, ...facts.amounts },
    tool: grant.tool.name,
    ...(facts.recipients === undefined ? {} : { recipients: facts.recipients }),
    ...(environment === undefined ? {} : { environment }),
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.rows === undefined ? {} : { rows: facts.rows }),
  };
  return capsAdmit(caps, known, JUDGED) === undefined ? undefined : { phase: 'not_sent', because: 'cap' };
};
