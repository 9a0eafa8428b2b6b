import type { PolicyFacts } from '@exequatur/contracts';
import type { AutonomyLevel } from '@exequatur/contracts';
import { AUTONOMY_LEVELS } from '@exequatur/contracts';
import { DEFAULT_DEMAND } from './parse-consequence.js';
import type { Policy } from './policy.js';
import type { Ruling } from './ruling.js';

/** Levels of an agent by kind of action; `*` holds for the kinds that are not named. Without one policy alone decides, as with `auto`. */
export type AutonomyLevels = Readonly<Record<string, Readonly<Record<string, AutonomyLevel>>>>;

/** From which evidence a level is suggested to rise, and from which it falls by itself. Shares are parts per million. */
export type AutonomySettings = {
  /** how far back outcomes count */
  readonly window_ms: number;
  /** decided actions in the window below which no rate is judged */
  readonly minimum_volume: number;
  readonly rejections_ppm: number;
  /** refused by the authority although people had approved */
  readonly denials_ppm: number;
  readonly edits_ppm: number;
  /** approved in the window, with none edited or rejected */
  readonly suggest_after: number;
};

const DAY_MS = 86_400_000;
export const DEFAULT_AUTONOMY: AutonomySettings = { window_ms: 30 * DAY_MS, minimum_volume: 20, rejections_ppm: 150_000, denials_ppm: 50_000, edits_ppm: 300_000, suggest_after: 50 };

/** Share of LOG actions drawn for review where a level, not a rule, puts them into the tier. */
const LEVEL_SAMPLE_PPM = 100_000;

export const ANY_KIND = '*';

export const levelOf = ({ levels }: Policy, agent: string, actionKind: string): AutonomyLevel | undefined => {
  const kinds = levels !== undefined && Object.hasOwn(levels, agent) ? levels[agent] : undefined;
  if (kinds === undefined) return undefined;
  return Object.hasOwn(kinds, actionKind) ? kinds[actionKind] : kinds[ANY_KIND];
};

/** True where `to` leaves the agent more to itself than `from`. */
export const isRaise = (from: AutonomyLevel, to: AutonomyLevel): boolean => AUTONOMY_LEVELS.indexOf(to) > AUTONOMY_LEVELS.indexOf(from);

/** The policy with one level changed; `auto` for every kind is what holds without a level, so that entry goes. */
export const withLevel = (levels: AutonomyLevels, agent: string, actionKind: string, level: AutonomyLevel): AutonomyLevels => {
  const others = Object.entries(Object.hasOwn(levels, agent) ? (levels[agent] ?? {}) : {}).filter(([kind]) => kind !== actionKind);
  const kinds = level === 'auto' && actionKind === ANY_KIND ? others : [...others, [actionKind, level] as const];
  const rest = Object.entries(levels).filter(([name]) => name !== agent);
  return Object.fromEntries(kinds.length === 0 ? rest : [...rest, [agent, Object.fromEntries(kinds)]]);
};

/**
 * What the level of an agent adds to a ruling: an opinion beside those of the layers, so it never loosens one. `auto` adds
 * nothing, `log` puts what is allowed into the LOG tier, `gate_all` has people decide it, `observe_only` lets nothing run.
 */
export const levelOpinion = (policy: Policy, { agent, action_kind: kind }: PolicyFacts, { verdict, rule_id: ruleId, action_class: actionClass }: Ruling): Ruling | undefined => {
  const level = levelOf(policy, agent, kind);
  const common = { rule_id: `autonomy:${level}`, caps: {}, sample_ppm: 0, on_silence: 'expire' } as const;
  const alone = `policy alone says ${verdict} (${ruleId})`;
  switch (level) {
    case 'observe_only':
      return { ...common, verdict: 'DENY', code: 'POLICY_DENIED', reason: `The agent observes only; ${alone}` };
    case 'gate_all':
      // Where policy asks people already, its own demand says whom.
      if (verdict !== 'ALLOW' && verdict !== 'ALLOW_WITH_CAPS') return undefined;
      return { ...common, verdict: 'REQUIRE_APPROVAL', reason: `People decide everything of this kind that the agent does; ${alone}`, demand: policy.classes[actionClass ?? '']?.approval ?? DEFAULT_DEMAND };
    case 'log':
      return { ...common, verdict: 'ALLOW', tier: 'LOG', reason: 'The agent is looked at afterwards', sample_ppm: LEVEL_SAMPLE_PPM };
    default:
      return undefined;
  }
};
