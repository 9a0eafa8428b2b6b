import type { Ruling } from './ruling.js';

/** A person's earlier no to the same action, which still holds. */
export interface Rejection {
  readonly actionId: string;
  readonly reasonCode: string;
  readonly instruction: string;
}

/**
 * The ruling where a person said no to the same before: denied without reaching a person again. A policy that allows by now
 * does not overrule the person; one that denies says so itself.
 */
export const afterRejection = (ruling: Ruling, rejection: Rejection | undefined): Ruling => {
  if (rejection === undefined || ruling.verdict === 'DENY') return ruling;
  const { actionId, reasonCode, instruction } = rejection;
  const { demand: _demand, tier: _tier, ...rest } = ruling;
  return { ...rest, verdict: 'DENY', code: 'PREVIOUSLY_REJECTED', caps: {}, sample_ppm: 0, reason: `A person rejected the same action before (action ${actionId}, ${reasonCode}, asked to ${instruction})` };
};
