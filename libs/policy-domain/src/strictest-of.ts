import type { Verdict } from '@exequatur/contracts';
import { VERDICTS } from '@exequatur/contracts';
import { capsOf, joinedIds, joinedReasons, stackDemands, variesOf } from './ruling.js';
import type { Ruling } from './ruling.js';

/** Verdicts under which something may still run, and caps therefore mean something. */
const LIVE: readonly Verdict[] = ['ALLOW', 'ALLOW_WITH_CAPS', 'REQUIRE_APPROVAL'];

/**
 * Several opinions on one action as one ruling: the strictest verdict, the intersection of all caps, every demand for people,
 * the LOG tier where one wants it, UNKNOWN on silence where one does. The order of opinions does not matter, and each can
 * only take away from the others.
 */
export const strictestOf = (own: Ruling, opinions: readonly Ruling[]): Ruling => {
  if (opinions.length === 0) return own;
  // In one order: stages of people are answered in theirs.
  const all = [own, ...opinions].sort((a, b) => (a.rule_id < b.rule_id ? -1 : 1));
  const verdict = VERDICTS[Math.max(...all.map((one) => VERDICTS.indexOf(one.verdict)))] ?? 'DENY';
  const deciding = all.filter((one) => one.verdict === verdict);
  const code = deciding.find((one) => one.code !== undefined)?.code;
  const demands = all.flatMap(({ demand }) => demand ?? []);
  return {
    verdict,
    rule_id: joinedIds(deciding.map(({ rule_id: id }) => id)),
    reason: joinedReasons(deciding.map(({ reason }) => reason)),
    ...(code === undefined ? {} : { code }),
    caps: LIVE.includes(verdict) ? capsOf(all) : {},
    ...(LIVE.includes(verdict) ? variesOf(all) : {}),
    ...(verdict === 'ALLOW' || verdict === 'ALLOW_WITH_CAPS' ? { tier: all.some(({ tier }) => tier === 'LOG') ? ('LOG' as const) : ('AUTO' as const) } : {}),
    ...(verdict === 'REQUIRE_APPROVAL' && demands.length > 0 ? { demand: stackDemands(demands) } : {}),
    ...(all.some(({ rejection_holds: holds }) => holds === 'agent') ? { rejection_holds: 'agent' as const } : {}),
    sample_ppm: Math.max(...all.map(({ sample_ppm: sample }) => sample)),
    ...(own.action_class === undefined ? {} : { action_class: own.action_class }),
    on_silence: all.some(({ on_silence: silence }) => silence === 'unknown') ? 'unknown' : 'expire',
  };
};
